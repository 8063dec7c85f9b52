"""Where a release's tarball comes from, and by what it is known to be right."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from mattermost_host.knowledge import releases
from mattermost_host.releases.tarball import Readable, check_listing
from mattermost_host.support.addresses import without_secrets
from mattermost_host.support.errors import OperatorError


class ReleaseError(OperatorError):
    """A release that cannot be had, or is not what it should be. Nothing of it was kept."""


@dataclass(frozen=True)
class Kind:
    """What a tarball is of, and the words for what an operator can do about it."""

    setting: str
    """Where the inventory describes it."""
    page: str
    """Where its digests are published."""
    other_ways: str
    """What to set where the address can't be reached."""
    to_check: str
    """What to look at where there is no such file."""
    listing: Callable[[Readable, releases.Architecture | None], str | None] = field(repr=False)
    """What is wrong with its members, the rest of a sentence; see ``tarball.check_listing``."""


SERVER = Kind(
    "mattermost.release",
    releases.ARCHIVE,
    "a mirror (`mattermost.release.mirror`) or a tarball (`mattermost.release.file`)",
    "version, edition and mirror",
    check_listing,
)


@dataclass(frozen=True)
class ReleaseSource:
    """Where a tarball comes from, and by what it is known to be right."""

    location: str
    """URL, or path on this machine."""
    sha256: str | None = None
    signature_key: Path | None = None
    """Public GPG key; the detached signature is beside the tarball, with ``.sig``."""
    unverified: bool = False
    """The operator said that neither is needed."""
    architecture: releases.Architecture | None = None
    """What the host that it is for is built of; None: it is not looked at."""
    kind: Kind = SERVER

    @property
    def shown(self) -> str:
        """The location as it may be printed."""
        return without_secrets(self.location)

    @property
    def is_url(self) -> bool:
        """Whether the tarball is fetched over the network."""
        return self.location.startswith(("http://", "https://"))


def source(
    version: str,
    edition: releases.Edition,
    architecture: releases.Architecture,
    *,
    mirror: str | None = None,
    file: str | None = None,
    sha256: str | None = None,
    signature_key: Path | None = None,
    unverified: bool = False,
) -> ReleaseSource:
    """The source that an operator's words name: a file or its URL, a mirror, or the vendor.

    The digest is the stated one or that of our table; a ``file`` of one's own is not in the table.
    Raises ReleaseError for a mirror that is no URL.
    """
    if mirror and not mirror.startswith(("http://", "https://")):
        raise ReleaseError(
            f"The mirror {without_secrets(mirror)} is no URL. Write `mattermost.release.mirror` "
            "with https:// at its beginning, or set a file as `mattermost.release.file`."
        )
    wanted = (version, edition, architecture)
    official = releases.mirror_url(mirror, *wanted) if mirror else releases.official_url(*wanted)
    known = None if file else releases.sha256(*wanted)
    return ReleaseSource(file or official, sha256 or known, signature_key, unverified, architecture)
