"""Which release a site runs, and where its tarball comes from."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock
from typing import Literal

from pydantic import BaseModel, Field
from pyinfra import logger

from mattermost_host.knowledge import releases
from mattermost_host.knowledge.texts import STRICT, Line, Sha256, Version
from mattermost_host.releases import download
from mattermost_host.releases import source as release_source
from mattermost_host.releases.download import Tarball
from mattermost_host.releases.installed import Installed
from mattermost_host.releases.source import ReleaseSource
from mattermost_host.support.addresses import MOST_OF_TARBALL, file_mistakes, without_secrets
from mattermost_host.support.errors import Mistake
from mattermost_host.support.paths import CACHE

VERSION = re.compile(r"\d+\.\d+\.\d+")
DIGEST = re.compile(r"[0-9a-f]{64}")
LONG_DOWNLOAD = 50 * 2**20
"""Larger downloads (bytes) show their progress."""


@dataclass(frozen=True)
class Release:
    """A release: the folder that it is unpacked to, and how to get its verified tarball."""

    folder: str
    fetch: Callable[[str], Tarball] = field(compare=False)
    """Returns the verified tarball on the control machine. The argument is the digest that the host
    noted when it unpacked the release; it is used if no other one was stated. Raises ReleaseError.
    """
    can_be_verified: bool = True
    """Whether there is a digest or key to verify it with, or ``unverified`` was stated."""
    by_hash: bool = False
    """Whether the next check compares the hash of each of its files."""


class ReleaseSettings(BaseModel):
    """Which release, and where it comes from."""

    model_config = STRICT

    version: Version | None = Field(
        default=None,
        description=(
            "For example `11.7.9`. Without it a host keeps the release that it has; a first deploy "
            "takes the newest extended support release of the table of releases."
        ),
    )
    edition: Literal["enterprise", "team"] = Field(
        default="enterprise",
        description="Enterprise without a licence is free and can be licensed later.",
    )
    mirror: Line | None = Field(
        default=None,
        description="Base URL that holds the vendor's files under the vendor's names.",
    )
    file: Line | None = Field(
        default=None, description="Tarball on the control machine, or its URL."
    )
    sha256: Sha256 | None = Field(
        default=None,
        description="Digest of the tarball, where it is not in the table of releases.",
    )
    signature_key: Line | None = Field(
        default=None,
        description="Public GPG key file; the signature beside the tarball is then checked too.",
    )
    unverified: bool = Field(
        default=False, description="Deploy a tarball whose digest nobody has stated."
    )


def stated_version(settings: ReleaseSettings) -> str | None:
    """The release that the inventory states, or that its file's name contains."""
    named = VERSION.search(Path(settings.file).name) if settings.file else None
    return settings.version or (named.group() if named else None)


def version_of(settings: ReleaseSettings, found: Installed | None = None) -> str:
    """The release to run: the stated one, else the installed one, else the default."""
    return stated_version(settings) or (found.version if found else releases.default())


def mistakes(settings: ReleaseSettings, path: str) -> Iterator[Mistake]:
    """Mistakes in how the settings go together; ``path`` is their place in the inventory."""
    if settings.file and settings.mirror:
        yield Mistake(path, "file and mirror", "name one place to take the release from")
    if settings.mirror and not settings.mirror.startswith(("https://", "http://")):
        found = repr(without_secrets(settings.mirror))
        yield Mistake(f"{path}.mirror", found, "write its URL, with https:// at the beginning")
    if settings.file and not (settings.sha256 or settings.signature_key or settings.unverified):
        yield Mistake(
            f"{path}.file",
            f"{without_secrets(settings.file)!r} without a digest",
            "write sha256 too, from the vendor's page of releases, or unverified = True "
            "if you accept that",
        )
    version = version_of(settings)
    if (settings.sha256 or settings.file) and stated_version(settings) is None:
        yield Mistake(
            f"{path}.version",
            "nothing",
            f"write the version of the {'tarball' if settings.file else 'sha256'} that is stated "
            "beside it",
        )
    known = releases.sha256(version, settings.edition, "amd64")
    if not (settings.file or known or settings.sha256 or settings.signature_key):
        wanted = releases.digest_wanted(version, settings.edition, "amd64")
        for_arm = releases.file_name(version, settings.edition, "arm64")
        yield Mistake(
            f"{path}.version",
            f"{settings.version!r}, a release without a digest",
            f"{wanted} For hosts of arm64, set that of {for_arm}",
        )
    if file := _local(settings.file):
        yield from file_mistakes(f"{path}.file", file, most=MOST_OF_TARBALL)
    if settings.signature_key:
        yield from file_mistakes(f"{path}.signature_key", settings.signature_key)


def _local(location: str | None) -> str | None:
    return None if location and location.startswith(("https://", "http://")) else location


def release_to_run(
    settings: ReleaseSettings,
    architecture: str,
    found: Installed | None = None,
    *,
    by_hash: bool = False,
) -> Release:
    """The release of ``settings`` for a host on which ``found`` is installed.

    Its folder is named by version and digest, so that no two releases share one; an installed
    release keeps its folder.
    """
    stays = found if stated_version(settings) is None else None
    version = version_of(settings, found)
    source = release_source.source(
        version,
        settings.edition,
        "arm64" if architecture == "arm64" else "amd64",
        mirror=settings.mirror,
        file=settings.file,
        sha256=settings.sha256,
        signature_key=Path(settings.signature_key) if settings.signature_key else None,
        unverified=settings.unverified,
    )
    if stays and source.sha256 and not stays.may_be_of(source.sha256):
        # Another build of the same version is installed, and is kept.
        source = replace(source, sha256=None)
    return Release(
        stays.folder if stays else _folder(version, settings.edition, source),
        fetch=lambda noted: fetched(_by_digest(source, noted), CACHE / "releases"),
        can_be_verified=bool(source.sha256 or source.signature_key or source.unverified),
        by_hash=by_hash,
    )


def _folder(version: str, edition: str, source: ReleaseSource) -> str:
    digest = source.sha256
    if digest is None and not source.is_url:
        digest = download.sha256_of(Path(source.location))
    if digest:
        return f"{version}-{digest[:8]}"
    return f"{version}-team" if edition == "team" else version


def _by_digest(source: ReleaseSource, noted: str) -> ReleaseSource:
    """``source`` with the digest that the host noted, unless another one was stated."""
    return replace(source, sha256=source.sha256 or (noted if DIGEST.fullmatch(noted) else None))


_fetching = Lock()
_tarballs: dict[ReleaseSource, Tarball] = {}


def fetched(source: ReleaseSource, cache: Path) -> Tarball:
    """The tarball of ``source``, fetched and verified once in a run for all hosts.

    Downloads are kept in ``cache``. Raises ReleaseError.
    """
    with _fetching:
        if source not in _tarballs:
            _tarballs[source] = download.fetch(source, cache, _tell())
        return _tarballs[source]


def _tell() -> download.Progress:
    """A function that logs every tenth of a long download."""
    told = 0

    def progress(done: int, total: int | None) -> None:
        nonlocal told
        tenths = 10 * done // total if total and total > LONG_DOWNLOAD else 0
        if tenths > told:
            told = tenths
            logger.info(f"--> Release: {done // 2**20} of {(total or 0) // 2**20} MB")

    return progress
