"""A program on the host that goes on if its caller is cut off: a unit of its own, with a log.

It is told ``ended`` as its argument once more when the unit has ended, however that came.
"""

from dataclasses import dataclass
from secrets import token_hex

from mattermost_host.engine.shell import PROGRESS, VERDICT


@dataclass(frozen=True)
class HostProgram:
    """Where it is and what it is called."""

    unit: str
    folder: str
    """Of root's alone: ``log``, ``ended`` with how it went, and the program itself."""
    name: str
    """What is under way while it runs, such as "another upgrade"."""
    cut_off: str
    """What an operator reads where it ended without a word."""

    @property
    def log(self) -> str:
        """What it says."""
        return f"{self.folder}/log"

    def begin(self, program: str, done: str) -> str:
        """Shell that starts ``program``, shows what it says, and fails unless it ended ``done``."""
        end = f"end-of-program-{token_hex(8)}"
        path, log, ended = f"{self.folder}/move.sh", self.log, f"{self.folder}/ended"
        return f"""set -eu
umask 077
if systemctl is-active --quiet {self.unit}; then
  echo '{self.name} is under way; see {log}' >&2; exit 1
fi
mkdir -p -m 700 {self.folder}
cat >{path}~ <<'{end}'
{program}
{end}
mv -fT {path}~ {path}
: >{log}; rm -f {ended}
systemd-run --quiet --collect --unit={self.unit} --property=TimeoutStopSec=60 \
  --property="ExecStopPost=-/bin/sh {path} ended" /bin/sh {path}
told=0
# Counted first: a line that comes meanwhile is shown the next time.
show() {{
  now=$(wc -l <{log})
  [ "$now" -le $told ] || sed -n "$((told + 1)),$now p" {log} | sed 's/^/{PROGRESS}/'
  told=$now
}}
# A systemd that is upgraded does not answer for a moment, which is no end.
at_work() {{
  case $(systemctl show -p ActiveState --value {self.unit} 2>/dev/null) in
  inactive | failed) return 1 ;;
  esac
}}
while at_work; do sleep 0.5; show; done
show
ended=$(cat {ended} 2>/dev/null) || echo '{self.cut_off}' >>{log}
[ "$ended" = {done} ] || {{ tail -n 1 {log} | sed 's/^/{VERDICT}/' >&2; exit 1; }}"""
