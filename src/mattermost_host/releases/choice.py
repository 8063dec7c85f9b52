"""Which release a site runs, and where its tarball comes from."""

from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from pyinfra import logger

from mattermost_host.ops.release import Release
from mattermost_host.releases import download
from mattermost_host.releases import source as release_source
from mattermost_host.support.paths import CACHE

LONG_DOWNLOAD = 50 * 2**20
"""Bytes from which the progress of a download is told."""


class ReleaseSettings(BaseModel):
    """Which release, and where it comes from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: str | None = Field(
        default=None,
        pattern=r"^\d+\.\d+\.\d+$",
        description="For example `11.7.9`. Without it the newest extended support release.",
    )
    edition: Literal["enterprise", "team"] = Field(
        default="enterprise",
        description="Enterprise without a licence is free and can be licensed later.",
    )
    mirror: str | None = Field(
        default=None,
        description="Base URL that holds the vendor's files under the vendor's names.",
    )
    file: str | None = Field(
        default=None, description="Tarball on the control machine, or its URL."
    )
    sha256: str | None = Field(
        default=None,
        pattern=r"^[0-9a-f]{64}$",
        description="Digest of the tarball, where it is not in the table of releases.",
    )
    signature_key: str | None = Field(
        default=None,
        description="Public GPG key file; the signature beside the tarball is then checked too.",
    )
    unverified: bool = Field(
        default=False, description="Deploy a tarball whose digest nobody has stated."
    )


def release_to_run(settings: ReleaseSettings, version: str, architecture: str) -> Release:
    """The release of ``settings``, named by version and digest, so that no two share a folder."""
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
    digest = source.sha256
    if digest is None and not source.is_url:
        digest = download.sha256_of(Path(source.location))
    folder = f"{version}-{digest[:8]}" if digest else version
    return Release(folder, fetch=cache(lambda: download.fetch(source, CACHE / "releases", _tell())))


def _tell() -> download.Progress:
    """Says every tenth of a long download; a file on this machine is quick."""
    told = 0

    def progress(done: int, total: int | None) -> None:
        nonlocal told
        tenths = 10 * done // total if total and total > LONG_DOWNLOAD else 0
        if tenths > told:
            told = tenths
            logger.info(f"--> Release: {done // 2**20} of {(total or 0) // 2**20} MB")

    return progress
