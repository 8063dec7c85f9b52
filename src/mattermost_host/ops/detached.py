"""A program on the host that is a unit of its own: it goes on if whoever started it is cut off."""

import shlex
from dataclasses import dataclass

SILENCE_S = 60
"""After so long without a word, the one who waits is told that it goes on."""


@dataclass(frozen=True)
class Detached:
    """Name of the unit, and root's own folder for what the program says."""

    unit: str
    folder: str


def run(where: Detached, program: str) -> str:
    """Shell that starts ``program``, shows what it says as it says it, and ends as it ended."""
    log, ended = f"{where.folder}/{where.unit}.log", f"{where.folder}/{where.unit}.ended"
    kept = f"{{ {program}; }} >{log} 2>&1; echo $? >{ended}"
    return f"""set -eu
if systemctl is-active --quiet {where.unit}; then
  echo 'it is under way already; see {log}' >&2; exit 1
fi
umask 022; mkdir -p {where.folder}; umask 077
: >{log}; rm -f {ended}
systemd-run --quiet --collect --unit={where.unit} /bin/sh -c {shlex.quote(kept)}
told=0 began=$(date +%s) last=$(date +%s)
show() {{
  now=$(wc -l <{log})
  if [ "$now" -gt $told ]; then
    sed -n "$((told + 1)),$now p" {log}
    told=$now last=$(date +%s)
  elif [ $(($(date +%s) - last)) -ge {SILENCE_S} ]; then
    last=$(date +%s)
    echo "it goes on, for $((last - began)) s now"
  fi
}}
while systemctl is-active --quiet {where.unit}; do sleep 0.5; show; done
show
status=$(cat {ended} 2>/dev/null) || {{ echo 'it was cut off; see {log}' >&2; exit 1; }}
[ "$status" = 0 ] || {{ tail -n 1 {log} >&2; exit 1; }}"""


def started(unit: str, *units: str) -> str:
    """Shell that starts the service ``unit``, waits, shows the journal of ``units`` as it comes.

    It fails where one of ``units`` does.
    """
    journal = " ".join(f"-u {one}" for one in units)
    return f"""set -eu
began=$(date +%s) told=0 last=$(date +%s)
systemctl reset-failed {" ".join(units)} 2>/dev/null || true
systemctl start --no-block {unit}
sleep 1
said() {{ journalctl {journal} --since "@$began" -o cat --no-pager; }}
show() {{
  now=$(said | wc -l)
  if [ "$now" -gt $told ]; then
    said | sed -n "$((told + 1)),$now p"
    told=$now last=$(date +%s)
  elif [ $(($(date +%s) - last)) -ge {SILENCE_S} ]; then
    last=$(date +%s)
    echo "it goes on, for $((last - began)) s now"
  fi
}}
while systemctl list-jobs --no-legend {unit} | grep -q . ||
  [ "$(systemctl show -p ActiveState --value {unit})" = activating ]; do
  show
  sleep 1
done
show
for one in {" ".join(units)}; do
  ! systemctl --quiet is-failed "$one" || {{ echo "$one failed" >&2; exit 1; }}
done"""
