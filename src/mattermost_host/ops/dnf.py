"""dnf and rpm, as shell: what is installed, and how packages are installed."""

from collections.abc import Sequence

from mattermost_host.engine.shell import exclusive
from mattermost_host.ops.apt import EARLIER, LOCK

INSTALL = f"""set -eu
exec 9>{LOCK}
{exclusive(9, EARLIER)}
dnf -y -q --setopt=install_weak_deps=False install"""


def query(names: Sequence[str]) -> str:
    """Shell that prints name, ``installed`` and version of each package that is there."""
    return f"rpm -q --qf '%{{NAME}} installed %{{VERSION}}-%{{RELEASE}}\\n' {' '.join(names)}"
