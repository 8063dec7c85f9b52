"""Which release of a distribution may be upgraded to which, in place."""

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
        raise OperatorError(
            f"{platform.name} is upgraded by a program of its own (do-release-upgrade on Ubuntu, "
            "leapp on Enterprise Linux): run that, and deploy afterwards"
        )
    return platform, next(one for one in PLATFORMS if one.code_name == newer)
