"""What is in a release's tarball, read from its list without unpacking it."""

import gzip
import posixpath
import re
import tarfile
import zlib
from typing import IO, Protocol, cast

SERVER = re.compile(r"[^/]+/bin/mattermost")
"""The server's binary, in the one folder of the vendor's tarballs."""

BUFFER = 1024 * 1024


class Readable(Protocol):
    """A stream of bytes."""

    def read(self, size: int = ..., /) -> bytes:
        """At most ``size`` bytes; none at the end."""


def check_listing(stream: Readable) -> str | None:
    """What is wrong with the tarball in ``stream``, as the rest of a sentence; None: nothing.

    It must be a whole gzipped tarball with the server in it, and no member may lie, or point,
    outside of it or be a device.
    """
    try:
        with gzip.GzipFile(fileobj=cast(IO[bytes], stream), mode="rb") as plain:
            complaint = _check_members(plain)
            # The checksum stands behind the last byte.
            while not complaint and plain.read(BUFFER):
                pass
            return complaint
    except EOFError:
        return "is cut off: it ends in the middle. Fetch it again."
    except (tarfile.TarError, gzip.BadGzipFile, zlib.error) as error:
        return f"is no gzipped tarball, or a damaged one ({error}). Fetch it again."


def _check_members(plain: gzip.GzipFile) -> str | None:
    links: set[str] = set()
    server = False
    with tarfile.open(fileobj=plain, mode="r|", bufsize=BUFFER) as tar:
        for member in tar:
            danger = _danger(member, links)
            if danger:
                return f"is dangerous: {danger}. Do not deploy it."
            if member.issym():
                links.add(posixpath.normpath(member.name))
            server = server or (member.isfile() and SERVER.fullmatch(member.name) is not None)
    if server:
        return None
    return "is not a Mattermost server: it has no bin/mattermost in its folder. State another one."


def _danger(member: tarfile.TarInfo, links: set[str]) -> str | None:
    """Why unpacking ``member`` could touch something outside of the release; None: it cannot."""
    name = f"its member {member.name!r}"
    if not _is_inside(member.name):
        return f"{name} lies outside of it"
    if any(folder in links for folder in _folders(posixpath.normpath(member.name))):
        return f"{name} goes through a link of it"
    if member.issym():
        target = posixpath.join(posixpath.dirname(member.name), member.linkname)
        return None if _same_top(member.name, target) else f"{name} points outside of it"
    if member.islnk():
        return None if _same_top(member.name, member.linkname) else f"{name} points outside of it"
    if not (member.isfile() or member.isdir()):
        return f"{name} is a device or a pipe"
    return None


def _is_inside(path: str) -> bool:
    return not path.startswith("/") and ".." not in path.split("/")


def _same_top(name: str, target: str) -> bool:
    """Whether ``target`` is in the folder that ``name`` is in; it becomes the release's own."""
    top, _, _ = posixpath.normpath(name).partition("/")
    reached = posixpath.normpath(target)
    return reached == top or reached.startswith(f"{top}/")


def _folders(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:depth]) for depth in range(1, len(parts))]
