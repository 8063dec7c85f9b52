"""Shell commands for apt and dpkg: query and install packages."""

from collections.abc import Iterator, Sequence

from mattermost_host.knowledge.families import PackageManager
from mattermost_host.ops.entries import Directory, Entry, File
from mattermost_host.ops.patience import alone, locked
from mattermost_host.support.templates import render

POLICY = "/usr/sbin/policy-rc.d"
PIN = "/etc/apt/preferences.d/mattermost-host.pref"
HOOK = "/etc/dpkg/dpkg.cfg.d/mattermost-host"
PROGRAMS = "/usr/local/lib/mattermost-host"
KEEP_OUT = f"{PROGRAMS}/keep-out"
KEPT_OUT = (PIN, HOOK, KEEP_OUT)
"""What keeps the vendor's packages out: apt does not choose them, and dpkg does not unpack them."""
LISTS_MAX_AGE_MIN = 60
LOCKED = locked("apt or dpkg", "unattended-upgrades")

# unattended-upgrades may run at any time, and apt itself waits for only one of the four locks.
HELD = """case $said in
      *'Could not get lock'* | *'Unable to lock'* | *'locked by another process'*) ;;
      *) false ;;
    esac"""

# policy-rc.d keeps services from starting before they are configured; exit status 101 forbids it.
# Ubuntu's needrestart would restart services, ours too, or prompt; the next upgrade runs it again.
# policy-rc.d contains our name, so that one left behind by a killed run is recognised and removed.
INSTALL = f"""{alone("apt or dpkg", HELD, LOCKED)}
export DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1
apt="apt-get -y -q --no-install-recommends"
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
    """Shell command that prints name, ``installed`` and version of each installed package."""
    return (
        f"dpkg-query -W -f='${{Package}} ${{db:Status-Status}} ${{Version}}\\n' {' '.join(names)}\n"
        f"grep -qs mattermost-host {POLICY} && echo 'policy installed 0'"
    )


def kept_out(packages: Sequence[str], manager: PackageManager) -> Iterator[Entry]:
    """What keeps ``packages`` from being installed; nothing where there is another manager.

    dpkg's hook works for whoever calls dpkg; the pin, so that an upgrade by apt leaves them out and
    does not fail for them.
    """
    if manager == "apt":
        yield File(PIN, render("mattermost/apt.pref.j2", packages=packages))
        yield Directory(PROGRAMS)
        yield File(KEEP_OUT, render("mattermost/keep-out.sh.j2", packages=packages), "755")
        yield File(HOOK, render("mattermost/dpkg.cfg.j2", program=KEEP_OUT))
