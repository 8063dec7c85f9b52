"""SELinux on distributions where it is enforcing by default: reported if off, never changed."""

from collections.abc import Iterator

from mattermost_host.facts.host import HostFacts
from mattermost_host.preflight.finding import Finding, Requirement
from mattermost_host.preflight.host import unreadable

NEEDED = "enforcing, the distribution's default"


def selinux_enforces() -> Requirement:
    """SELinux is enforcing if that is the distribution's default."""

    def check(facts: HostFacts) -> Iterator[Finding]:
        if not facts.family.selinux:
            return
        if "selinux" in facts.unread:
            yield unreadable("selinux", "whether SELinux is on", NEEDED)
        elif facts.selinux == "enforcing":
            yield Finding("selinux", "ok", facts.selinux, NEEDED)
        else:
            yield Finding("selinux", "warning", facts.selinux, NEEDED, _remedy(facts.selinux))

    return Requirement(
        "selinux", check, "SELinux is enforcing where that is the distribution's default."
    )


def _remedy(state: str) -> str:
    if state == "permissive":
        return (
            "It only logs what it would refuse. Type 'setenforce 1' and write SELINUX=enforcing in "
            "/etc/selinux/config; the site works with it. A deploy does not change it."
        )
    return (
        "Write SELINUX=enforcing in /etc/selinux/config (and take selinux=0 from the kernel's "
        "command line), type 'fixfiles -F onboot', and boot; the next run makes its rules. It is "
        "left as it is."
    )
