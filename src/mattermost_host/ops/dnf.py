"""dnf and rpm, as shell: what is installed, and how packages are installed."""

from collections.abc import Sequence

INSTALL = """set -eu
exec 9>/run/lock/mattermost-host.packages; flock -w 600 9
dnf -y -q --setopt=install_weak_deps=False install"""


def query(names: Sequence[str]) -> str:
    """Shell that prints name, ``installed`` and version of each package that is there."""
    return f"rpm -q --qf '%{{NAME}} installed %{{VERSION}}-%{{RELEASE}}\\n' {' '.join(names)}"
