"""dnf and rpm, as shell: what is installed, and how packages are installed."""

from collections.abc import Sequence

from mattermost_host.engine.shell import exclusive
from mattermost_host.ops.apt import EARLIER, LOCK

PREPARED = f"""set -eu
exec 9>{LOCK}
{exclusive(9, EARLIER)}
dnf="dnf -y -q --setopt=install_weak_deps=False"
"""


def installation(packages: Sequence[str], modules: Sequence[str]) -> str:
    """Shell that first changes ``modules`` (``module enable nginx:1.24``), then installs."""
    asked = [*modules, *([f"install {' '.join(packages)}"] if packages else [])]
    return PREPARED + "\n".join(f"$dnf {one}" for one in asked)


def query(names: Sequence[str]) -> str:
    """Shell that prints name, ``installed`` and version of each package that is there."""
    return f"rpm -q --qf '%{{NAME}} installed %{{VERSION}}-%{{RELEASE}}\\n' {' '.join(names)}"
