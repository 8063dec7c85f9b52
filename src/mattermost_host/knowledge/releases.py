"""Mattermost's releases: lines and their support, digests, addresses.

Sources: the vendor's release policy, version archive and upgrade notes, as published in August
2026.
"""

from dataclasses import dataclass
from datetime import date
from typing import Literal

Edition = Literal["enterprise", "team"]
Architecture = Literal["amd64", "arm64"]

OFFICIAL = "https://releases.mattermost.com"
ARCHIVE = "https://docs.mattermost.com/product-overview/version-archive.html"
"""Where the vendor publishes the SHA-256 of each release for amd64; there is no file beside the
tarball."""
VENDOR_KEY = "https://deb.packages.mattermost.com/pubkey.gpg"
"""The public key that the vendor signs tarballs with, as the same page says."""


@dataclass(frozen=True)
class Line:
    """A release line (``11.7``) and its support."""

    name: str
    newest: str | None
    """The newest known release of the line."""
    released: date | None
    end_of_life: date
    extended: bool = False
    """Extended support release (ESR): supported for a year instead of three months."""


LINES = (
    Line("11.11", None, date(2026, 9, 16), date(2026, 12, 15)),
    Line("11.10", "11.10.0", date(2026, 8, 14), date(2026, 11, 15)),
    Line("11.9", "11.9.1", date(2026, 7, 16), date(2026, 10, 15)),
    Line("11.8", "11.8.5", date(2026, 6, 16), date(2026, 9, 15)),
    Line("11.7", "11.7.9", date(2026, 5, 15), date(2027, 5, 15), extended=True),
    Line("11.6", "11.6.6", date(2026, 4, 16), date(2026, 7, 15)),
    Line("11.5", "11.5.7", date(2026, 3, 16), date(2026, 6, 15)),
    Line("11.4", "11.4.5", date(2026, 2, 16), date(2026, 5, 15)),
    Line("11.3", "11.3.3", date(2026, 1, 16), date(2026, 4, 15)),
    Line("11.2", "11.2.4", date(2025, 12, 16), date(2026, 3, 15)),
    Line("11.1", "11.1.3", date(2025, 11, 14), date(2026, 2, 15)),
    Line("11.0", "11.0.7", date(2025, 10, 16), date(2026, 1, 15)),
    Line("10.12", "10.12.4", date(2025, 9, 16), date(2025, 12, 15)),
    Line("10.11", "10.11.23", date(2025, 8, 15), date(2026, 8, 15), extended=True),
    Line("10.5", "10.5.14", date(2025, 2, 16), date(2025, 11, 15), extended=True),
    Line("9.11", None, date(2024, 8, 16), date(2025, 5, 15), extended=True),
    Line("9.5", None, None, date(2024, 11, 15), extended=True),
    Line("8.1", None, None, date(2024, 5, 15), extended=True),
    Line("7.8", None, None, date(2023, 11, 15), extended=True),
    Line("7.1", None, None, date(2023, 4, 15), extended=True),
)
"""Newest first."""

DIGESTS: dict[tuple[str, Edition, Architecture], str] = {
    ("11.10.0", "enterprise", "amd64"): (
        "8ae404ed0c0fbab2b01c00c031b9d0f3e17c51007e3bb3401bebaf3e60da0c3e"
    ),
    ("11.7.9", "enterprise", "amd64"): (
        "a22e631ae4a1f704c2bcf45ad8dcc377184081c50954a9269b7f62bd663a7a04"
    ),
}
"""SHA-256 of known tarballs. Add only digests that were read in the vendor's archive."""

GLIBC = (
    ((12, 0), (2, 34)),
    ((10, 11), (2, 17)),
    ((10, 10), (2, 32)),
    ((9, 3), (2, 17)),
    ((9, 2), (2, 34)),
    ((0, 0), (2, 17)),
)
"""First line -> lowest glibc, newest first. 2.17 and 2.34 are those of Enterprise Linux 7 and 9,
the oldest systems that are supported until 11.11 and from 12.0 on; builds of 9.2 and 10.10 needed
more (mattermost#25278, #33474, #33643).
"""


def numbers(version: str) -> tuple[int, ...]:
    """``11.7.9`` -> (11, 7, 9): comparable."""
    return tuple(int(part) for part in version.split("."))


def line(version: str) -> str:
    """``11.7.9`` -> ``11.7``."""
    return ".".join(version.split(".")[:2])


def support(version: str) -> Line | None:
    """The line of ``version``; None where it is not in the table."""
    return next((known for known in LINES if known.name == line(version)), None)


def is_extended(version: str) -> bool:
    """Whether ``version`` belongs to an extended support release."""
    known = support(version)
    return known is not None and known.extended


def default(today: date | None = None) -> str:
    """The newest extended support release that is published on ``today`` and has a known digest."""
    today = today or date.today()
    versions = {version for version, _, _ in DIGESTS if is_extended(version)}
    released = {version for version in versions if _released(version) <= today}
    return max(released or versions, key=numbers)


def sha256(version: str, edition: Edition, architecture: Architecture) -> str | None:
    """The digest of a tarball; None if the operator has to state it."""
    return DIGESTS.get((version, edition, architecture))


def digest_wanted(version: str, edition: Edition, architecture: Architecture) -> str:
    """The message for a release whose digest is neither in the table nor stated."""
    missing = f"The SHA-256 of {file_name(version, edition, architecture)} is not in the table"
    if architecture == "arm64":
        return (
            f"{missing} of releases, and the vendor's list ({ARCHIVE}) has none for arm64. Fetch "
            f"{official_url(version, edition, architecture)}, check it with its signature, which "
            f"is at the same address with .sig, and the vendor's key ({VENDOR_KEY}), and set what "
            f"`sha256sum` says of it as `mattermost.release.sha256`, beside "
            f"`mattermost.release.version` = '{version}'."
        )
    known = sha256(default(), edition, architecture)
    other = f", or deploy {default()}, the newest extended support release in the table"
    return (
        f"{missing} of releases. Take it from {ARCHIVE} and set it as "
        f"`mattermost.release.sha256`{other if known else ''}."
    )


def file_name(version: str, edition: Edition, architecture: Architecture) -> str:
    """The vendor's name of a tarball."""
    team = "team-" if edition == "team" else ""
    return f"mattermost-{team}{version}-linux-{architecture}.tar.gz"


def official_url(version: str, edition: Edition, architecture: Architecture) -> str:
    """The vendor's address of a tarball; its signature has the same address with ``.sig``."""
    return f"{OFFICIAL}/{version}/{file_name(version, edition, architecture)}"


def mirror_url(base: str, version: str, edition: Edition, architecture: Architecture) -> str:
    """The address of a tarball on a mirror that keeps the vendor's file names."""
    return f"{base.rstrip('/')}/{file_name(version, edition, architecture)}"


def minimum_glibc(version: str) -> tuple[int, int]:
    """The lowest glibc that ``version`` starts with."""
    wanted = numbers(version)[:2]
    return next(lowest for first, lowest in GLIBC if wanted >= first)


def end_of_life(version: str, today: date | None = None) -> str | None:
    """A sentence if the vendor no longer supports ``version``; a warning, not an error."""
    today = today or date.today()
    known = support(version)
    if known is not None:
        ended = known.end_of_life < today
        when = f"on {known.end_of_life}"
    else:
        # Lines that are not listed were feature releases with three months of support.
        over = [numbers(old.name) for old in LINES if old.end_of_life < today]
        ended = bool(over) and numbers(line(version)) < max(over)
        when = "before that of newer ones in the table of releases"
    if not ended:
        return None
    return (
        f"The vendor's support for Mattermost {line(version)} ended {when}: it gets no security "
        f"repairs. Deploy {default(today)} or newer."
    )


def _released(version: str) -> date:
    known = support(version)
    return (known and known.released) or date.max
