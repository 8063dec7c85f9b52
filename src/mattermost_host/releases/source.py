"""Where a release's tarball comes from, and by what it is known to be right."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from mattermost_host.knowledge import releases
from mattermost_host.releases.tarball import Readable, check_listing
from mattermost_host.support.addresses import without_secrets
from mattermost_host.support.errors import OperatorError


class ReleaseError(OperatorError):
    """A release that can't be fetched, or fails a check. Nothing of it was kept."""


@dataclass(frozen=True)
class Kind:
    """What a tarball contains, and the settings and pages that error messages refer to."""

    setting: str
    """Its setting in the inventory."""
    page: str
    """The page that publishes its digests."""
    other_ways: str
    """What to set instead if the address can't be reached."""
    to_check: str
    """What to check if there is no such file."""
    listing: Callable[[Readable, releases.Architecture | None], str | None] = field(repr=False)
    """What is wrong with its members, as the predicate of a sentence; see
    ``tarball.check_listing``.
    """


SERVER = Kind(
    "mattermost.release",
    releases.ARCHIVE,
    "a mirror (`mattermost.release.mirror`) or a tarball (`mattermost.release.file`)",
    "version, edition and mirror",
    check_listing,
)


@dataclass(frozen=True)
class ReleaseSource:
    """Where a tarball comes from, and how it is verified."""

    location: str
    """URL, or path on the control machine."""
    sha256: str | None = None
    signature_key: Path | None = None
    """File with the public GPG key; the detached signature has the tarball's name and ``.sig``."""
    unverified: bool = False
    """The operator stated that it needs neither."""
    architecture: releases.Architecture | None = None
    """The host's architecture; None: it is not checked."""
    kind: Kind = SERVER

    @property
    def shown(self) -> str:
        """The location without secrets, for printing."""
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
    """The source that the settings describe: a file or its URL, a mirror, or the vendor.

    The digest is the stated one or that of our table, which does not apply to a ``file``. Raises
    ReleaseError if the mirror is not a URL.
    """
    if mirror and not mirror.startswith(("http://", "https://")):
        raise ReleaseError(
            f"The mirror {without_secrets(mirror)} is not a URL. Write `mattermost.release.mirror` "
            "with https:// at its beginning, or set a file as `mattermost.release.file`."
        )
    wanted = (version, edition, architecture)
    official = releases.mirror_url(mirror, *wanted) if mirror else releases.official_url(*wanted)
    known = None if file else releases.sha256(*wanted)
    return ReleaseSource(file or official, sha256 or known, signature_key, unverified, architecture)
