"""Fetch a release to the control machine, from the vendor, a mirror or a file, and verify it.

The bytes are read once: hashed, stored and listed in the same pass. A tarball that fails a check is
not kept.
"""

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mattermost_host.releases.signature import check_signature
from mattermost_host.releases.source import ReleaseError, ReleaseSource
from mattermost_host.releases.tarball import Readable

if TYPE_CHECKING:
    import requests

Progress = Callable[[int, int | None], None]
"""Called with the bytes read so far and the total, if that is known."""

CHUNK = 1024 * 1024
LARGEST_SIGNATURE = 64 * 1024


@dataclass(frozen=True)
class Tarball:
    """A verified tarball and its digest, which later readers compare it with."""

    path: Path
    sha256: str


def fetch(
    source: ReleaseSource, cache: Path, progress: Progress = lambda done, total: None
) -> Tarball:
    """The verified tarball of ``source``: the file itself, or a copy in ``cache``.

    The copy is named by its digest, has mode 0600, and is verified again each time. Raises
    ReleaseError if it can't be verified or reached, has another digest or signature, is truncated,
    is no server, is for another processor, or has members that point outside of it.
    """
    if not (source.sha256 or source.signature_key or source.unverified):
        raise ReleaseError(
            f"There is nothing to verify {source.shown} with. Set its SHA-256 "
            f"(`{source.kind.setting}.sha256`; the vendor's are at {source.kind.page}) or the key "
            f"that signed it (`{source.kind.setting}.signature_key`); "
            f"`{source.kind.setting}.unverified` deploys it anyway."
        )
    try:
        return (
            _fetch_url(source, cache, progress)
            if source.is_url
            else _use_file(source, cache, progress)
        )
    except OSError as error:
        where = error.filename or cache
        raise ReleaseError(f"{where} cannot be used: {error.strerror or error}.") from None


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class _Tee:
    """A stream for ``tarfile`` that hashes, stores and counts the bytes that are read."""

    def __init__(self, stream: Readable, total: int | None, copy: int | None, progress: Progress):
        self._stream, self._total, self._copy, self._progress = stream, total, copy, progress
        self._digest = hashlib.sha256()
        self._done = 0

    def read(self, size: int = CHUNK) -> bytes:
        """At most ``size`` bytes, none at the end."""
        data = self._stream.read(size)
        self._digest.update(data)
        if self._copy is not None:
            _write_all(self._copy, data)
        self._done += len(data)
        self._progress(self._done, self._total)
        return data

    def finish(self) -> str:
        """Read the rest and return the digest of all bytes."""
        while self.read(CHUNK):
            pass
        return self._digest.hexdigest()


def _use_file(source: ReleaseSource, cache: Path, progress: Progress) -> Tarball:
    path = Path(source.location).expanduser()
    if not path.is_file():
        raise ReleaseError(
            f"{path} does not exist. Put the release's tarball there, or correct "
            f"`{source.kind.setting}.file`."
        )
    with path.open("rb") as file:
        total = os.fstat(file.fileno()).st_size
        if not source.signature_key:
            return Tarball(path, _examine(source, _Tee(file, total, None, progress)))
        signature = Path(f"{path}.sig")
        if not signature.is_file():
            raise ReleaseError(
                f"{signature} does not exist: put the tarball's signature beside it."
            )
        # gpgv opens the file itself: give it a private copy, so that it reads what was hashed.
        with _aside(_private(cache)) as (descriptor, copy):
            digest = _examine(source, _Tee(file, total, descriptor, progress))
            _verify_signature(source, signature.read_bytes(), copy)
    return Tarball(path, digest)


def _fetch_url(source: ReleaseSource, cache: Path, progress: Progress) -> Tarball:
    kept = _private(cache) / f"{source.sha256}.tar.gz"
    signature = _signature(source, kept) if source.signature_key else None
    if source.sha256 and kept.is_file() and sha256_of(kept) == source.sha256:
        # An earlier version of this program may have stored it, with fewer checks.
        with kept.open("rb") as file:
            _examine(source, _Tee(file, None, None, lambda done, total: None))
        if signature is not None:
            _verify_signature(source, signature, kept)
        return Tarball(kept, source.sha256)
    with _aside(cache) as (descriptor, path):
        with _opened(source, source.location) as response:
            length = response.headers.get("Content-Length")
            total = int(length) if length and length.isdecimal() else None
            digest = _examine(source, _Tee(response.raw, total, descriptor, progress))
        if signature is not None:
            _verify_signature(source, signature, path)
            _keep(cache, f"{digest}.tar.gz.sig", signature)
        os.fsync(descriptor)
        return Tarball(path.replace(cache / f"{digest}.tar.gz"), digest)


def _private(cache: Path) -> Path:
    cache.mkdir(mode=0o700, parents=True, exist_ok=True)
    return cache


def _examine(source: ReleaseSource, tee: _Tee) -> str:
    """Read the tarball to its end, check its members, and compare its digest."""
    complaint = source.kind.listing(tee, source.architecture)
    digest = tee.finish()
    # First what is wrong with the content: it says more than another digest does.
    if complaint:
        raise ReleaseError(f"{source.shown} {complaint}")
    if source.sha256 and digest != source.sha256:
        raise ReleaseError(
            f"{source.shown} has the SHA-256 {digest}, and {source.sha256} was expected: it is "
            "not that release, or somebody changed it. Do not deploy it; compare both with "
            f"{source.kind.page}."
        )
    return digest


def _verify_signature(source: ReleaseSource, signature: bytes, tarball: Path) -> None:
    assert source.signature_key is not None
    complaint = check_signature(source.signature_key, signature, tarball)
    if complaint:
        raise ReleaseError(f"{source.shown}: {complaint}")


def _signature(source: ReleaseSource, kept: Path) -> bytes:
    """The detached signature, from the cache or fetched."""
    beside = Path(f"{kept}.sig")
    if beside.is_file():
        return beside.read_bytes()
    with _opened(source, f"{source.location}.sig") as response:
        return bytes(response.raw.read(LARGEST_SIGNATURE))


def _opened(source: ReleaseSource, url: str) -> AbstractContextManager["requests.Response"]:
    # Most runs fetch nothing, so they need not import requests.
    from mattermost_host.releases import http as http_download  # noqa: PLC0415

    return http_download.opened(source, url)


@contextmanager
def _aside(cache: Path) -> Iterator[tuple[int, Path]]:
    """A temporary file with mode 0600, removed unless it has been renamed."""
    descriptor, name = tempfile.mkstemp(dir=cache, prefix=".fetching-")
    path = Path(name)
    try:
        yield descriptor, path
    finally:
        os.close(descriptor)
        path.unlink(missing_ok=True)


def _keep(cache: Path, name: str, content: bytes) -> None:
    with _aside(cache) as (descriptor, path):
        _write_all(descriptor, content)
        path.replace(cache / name)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
