"""Which release of a distribution may be upgraded to which, in place."""

from mattermost_host.knowledge.families import ENTERPRISE_LINUX
from mattermost_host.knowledge.platforms import PLATFORMS, Platform
from mattermost_host.support.errors import OperatorError

NEXT = {"bullseye": "bookworm", "bookworm": "trixie", "trixie": "trixie"}
"""By code names, one release at a time, as the release notes of Debian ask for."""


def in_place(platform: Platform) -> tuple[Platform, Platform]:
    """The release that a host has, and the one that it may be upgraded to in place.

    Both are the same where there is no newer one. Raises OperatorError where the distribution has a
    program of its own for that.
    """
    newer = NEXT.get(platform.code_name)
    if newer is None:
        raise OperatorError(_not_ours(platform))
    return platform, next(one for one in PLATFORMS if one.code_name == newer)


def _not_ours(platform: Platform) -> str:
    has = f"{platform.name} {platform.release}"
    if platform.family is not ENTERPRISE_LINUX:
        return (
            f"{has} is upgraded by a program of its own, and not by this command: make a backup "
            "(or a copy of the host), run do-release-upgrade, and then `mattermost-host apply`"
        )
    nine = int(platform.release)
    return (
        f"{has} is upgraded by Leapp, which is the vendor's, and not by this command: the release "
        f"{nine + 1} that it leads to has not been tried with mattermost-host. Stay on {nine}, "
        f"which gets security updates until {platform.last_day}; or try it on a copy of the host, "
        "as docs/operations.md says (Upgrade Debian itself): a dump of the database and a copy of "
        "the files before, and `mattermost-host apply` after it"
    )
