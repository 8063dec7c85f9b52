"""apt and dpkg, as shell: what is installed, and how packages are installed."""

from collections.abc import Sequence

from mattermost_host.engine.shell import PROGRESS, exclusive

LOCK = "/run/lock/mattermost-host.packages"
EARLIER = "the installation of packages by an earlier run"
POLICY = "/usr/sbin/policy-rc.d"
LISTS_MAX_AGE_MIN = 60
LOCK_LIMIT_S = 600
LOCK_PAUSE_S = 5
LOCKED = (
    f"Another apt or dpkg has held this lock for {LOCK_LIMIT_S // 60} minutes. Wait until it has "
    "ended (unattended-upgrades may take long), or see what it waits for, and run this again."
)

# A killed run leaves its apt behind, at work, and the system updates itself when it likes: we wait.
# apt itself waits for one of the four locks only. No child may inherit our lock (9>&-).
# Services must not start before they are configured; exit status 101 is "not allowed".
# The script names us, so that one left behind by a killed run is recognised and removed.
INSTALL = f"""set -eu
export DEBIAN_FRONTEND=noninteractive
exec 9>{LOCK}
{exclusive(9, EARLIER)}
apt="apt-get -y -q --no-install-recommends"
tries={LOCK_LIMIT_S // LOCK_PAUSE_S}
told=
oneline() {{ printf %s "$1" | tr '\\n' ' '; }}
patiently() {{
  while :; do
    if said=$("$@" 9>&- 2>&1); then printf '%s\\n' "$said"; return; else status=$?; fi
    case $said in
      *'Could not get lock'* | *'Unable to lock'* | *'locked by another process'*) ;;
      *) printf '%s\\n' "$said" >&2; exit $status ;;
    esac
    if [ $tries -le 0 ]; then
      printf '%s\\n%s\\n' "$said" '{LOCKED}' >&2; exit $status
    fi
    [ -n "$told" ] || echo "{PROGRESS}waiting for another apt or dpkg: $(oneline "$said")"
    told=yes
    tries=$((tries - 1)); sleep {LOCK_PAUSE_S}
  done
}}
lists=/var/lib/apt/lists
fresh=$(find $lists -maxdepth 1 -name '*Packages*' -mmin -{LISTS_MAX_AGE_MIN} | head -n 1)
[ -n "$fresh" ] && [ -n "$(find /etc/apt/sources.list.d -newer "$fresh")" ] && fresh=
grep -qs mattermost-host {POLICY} && rm -f {POLICY}
if [ ! -e {POLICY} ]; then
  trap 'rm -f {POLICY}' EXIT
  printf '#!/bin/sh\\n# mattermost-host: removed after the installation\\nexit 101\\n' > {POLICY}
  chmod 755 {POLICY}
fi
patiently dpkg --configure -a
[ -n "$fresh" ] || patiently $apt update
patiently $apt -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold install"""


def query(names: Sequence[str]) -> str:
    """Shell that prints name, ``installed`` and version of each package that is there."""
    return (
        f"dpkg-query -W -f='${{Package}} ${{db:Status-Status}} ${{Version}}\\n' {' '.join(names)}\n"
        f"grep -qs mattermost-host {POLICY} && echo 'policy installed 0'"
    )
