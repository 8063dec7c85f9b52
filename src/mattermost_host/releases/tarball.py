"""Checks of a release's tarball by the list of its members, without unpacking it."""

import copy
import gzip
import posixpath
import tarfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Protocol, cast

from mattermost_host.knowledge.releases import Architecture

SERVER = "bin/mattermost"
"""The server's binary, in the single top folder of the vendor's tarballs."""

CONFIGURATION = "config/config.json"
LARGEST = 2**22

ELF, MACHINE_AT, HEADER = b"\x7fELF", 18, 20
MACHINES: Mapping[int, Architecture] = {0x3E: "amd64", 0xB7: "arm64"}
"""e_machine of an ELF header (EM_X86_64, EM_AARCH64), two bytes at ``MACHINE_AT``."""

BUFFER = 1024 * 1024
PLAIN_TYPES = (tarfile.REGTYPE, tarfile.AREGTYPE)
SET_ID = 0o6000
MOST_LINKS = 40
"""Links that are followed for one name, as in the kernel."""


class Readable(Protocol):
    """A stream of bytes."""

    def read(self, size: int = ..., /) -> bytes:
        """At most ``size`` bytes; empty at the end."""


def check_listing(stream: Readable, architecture: Architecture | None = None) -> str | None:
    """What is wrong with the tarball in ``stream``, as the predicate of a sentence; None: nothing.

    It must be a complete gzipped tarball with the server in its single folder, built for
    ``architecture``. No member may be outside of that folder or point there, through a chain of
    links either; be a device; or be set-uid.
    """
    return _read(stream, lambda plain: _check_members(plain, architecture))


def check_program(stream: Readable, architecture: Architecture | None, program: str) -> str | None:
    """The same for a tarball of which only the file ``program`` is needed and unpacked."""
    return _read(stream, lambda plain: _check_program(plain, architecture, program))


def packaged_configuration(path: Path) -> str:
    """The settings of a new installation, out of a tarball of the server; empty if it has none."""
    try:
        with tarfile.open(path, mode="r|gz", bufsize=BUFFER) as tar:
            for member in tar:
                if member.isreg() and _below_top(member) == CONFIGURATION:
                    content = tar.extractfile(member)
                    return content.read(LARGEST).decode(errors="replace") if content else ""
    except (OSError, EOFError, tarfile.TarError, zlib.error):
        return ""
    return ""


def _read(stream: Readable, check: Callable[[gzip.GzipFile], str | None]) -> str | None:
    try:
        with gzip.GzipFile(fileobj=cast(IO[bytes], stream), mode="rb") as plain:
            complaint = check(plain)
            # Read to the end: gzip's checksum comes last.
            while not complaint and plain.read(BUFFER):
                pass
            return complaint
    except EOFError:
        return "is truncated. Download it again."
    except (tarfile.TarError, gzip.BadGzipFile, zlib.error) as error:
        return f"is not a gzip tarball, or is damaged ({error}). Download it again."


@dataclass
class _Tree:
    """What the tarball unpacks to, by paths below its single folder."""

    top: str = ""
    files: set[str] = field(default_factory=set)
    folders: set[str] = field(default_factory=set)
    links: dict[str, str] = field(default_factory=dict)
    """Path of a symbolic link -> its target."""
    header: bytes = b""
    """The first bytes of the server's binary."""


def _check_members(plain: gzip.GzipFile, architecture: Architecture | None) -> str | None:
    tree = _Tree()
    with tarfile.open(fileobj=plain, mode="r|", bufsize=BUFFER) as tar:
        for member in tar:
            if danger := _danger(member, tree):
                return _refusal(member.name, danger)
            if not tree.header and member.isreg() and _below_top(member) == SERVER:
                content = tar.extractfile(member)
                tree.header = content.read(HEADER) if content else b""
    for path, target in tree.links.items():
        if not _stays_inside(posixpath.dirname(path), target, tree.links):
            return _refusal(f"{tree.top}/{path}", "points outside of it")
    for path in (*tree.files, *tree.folders):
        if not tree.links.keys().isdisjoint(_parents(path)):
            return _refusal(f"{tree.top}/{path}", "goes through a link of it")
    if SERVER not in tree.files:
        return (
            "is not a Mattermost server: it has no bin/mattermost in its folder. Use another one."
        )
    return _of_another_processor(tree.header, architecture)


def _check_program(
    plain: gzip.GzipFile, architecture: Architecture | None, program: str
) -> str | None:
    with tarfile.open(fileobj=plain, mode="r|", bufsize=BUFFER) as tar:
        for member in tar:
            if member.name == program and member.isreg():
                content = tar.extractfile(member)
                header = content.read(HEADER) if content else b""
                return _of_another_processor(header, architecture)
    return f"has no file {program} at its top. Use another one."


def _below_top(member: tarfile.TarInfo) -> str:
    return posixpath.normpath(member.name).partition("/")[2]


def _of_another_processor(header: bytes, wanted: Architecture | None) -> str | None:
    """The complaint if the binary would not start on ``wanted``; a script runs on any."""
    if wanted is None or not header.startswith(ELF):
        return None
    found = MACHINES.get(int.from_bytes(header[MACHINE_AT:HEADER], "little"))
    if found == wanted:
        return None
    return (
        f"is built for {found or 'another processor'}, and the host is {wanted}. Use the tarball "
        f"for linux-{wanted}."
    )


def _refusal(name: str, danger: str) -> str:
    return f"is dangerous: its member {name!r} {danger}. Do not deploy it."


def _danger(member: tarfile.TarInfo, tree: _Tree) -> str | None:
    """Why ``member`` may not be unpacked after the previous ones, which are noted in ``tree``."""
    if member.name.startswith("/") or ".." in member.name.split("/"):
        return "lies outside of it"
    if any(character < " " or character in "\x7f\\" for character in member.name):
        return "has a name with control characters or a backslash"
    top, _, path = posixpath.normpath(member.name).partition("/")
    tree.top = tree.top or top
    if top not in (tree.top, "."):
        return f"lies outside of its folder {tree.top}"
    if member.isdir():
        tree.folders.add(path)
    elif path in tree.files or path in tree.links:
        return "is there twice"
    elif member.issym():
        tree.links[path] = member.linkname
    elif danger := _danger_of_file(member, top, tree):
        return danger
    else:
        tree.files.add(path)
    return _library_says(member, top, path)


def _danger_of_file(member: tarfile.TarInfo, top: str, tree: _Tree) -> str | None:
    if member.islnk():
        linked_top, _, linked = posixpath.normpath(member.linkname).partition("/")
        return None if linked_top == top and linked in tree.files else "points outside of it"
    if member.type not in PLAIN_TYPES:
        return "is a device or a pipe"
    return "is set-uid or set-gid" if member.mode & SET_ID else None


def _library_says(member: tarfile.TarInfo, top: str, path: str) -> str | None:
    """The verdict of Python's own data filter, which versions before 3.11.4 lack."""
    if not hasattr(tarfile, "data_filter") or not path:
        return None
    unpacked = copy.copy(member)
    unpacked.name = path
    if member.islnk():
        unpacked.linkname = posixpath.normpath(member.linkname).removeprefix(f"{top}/")
    try:
        tarfile.data_filter(unpacked, "/nonexistent/release")
    except tarfile.FilterError:
        return "points outside of it"
    return None


def _stays_inside(folder: str, target: str, links: Mapping[str, str]) -> bool:
    """Whether ``target``, followed from ``folder`` through all ``links``, stays in the tree."""
    here = [part for part in folder.split("/") if part]
    ahead = target.split("/")
    followed = 0
    if target.startswith("/"):
        return False
    while ahead:
        part = ahead.pop(0)
        if part in ("", "."):
            continue
        if part == "..":
            if not here:
                return False
            here.pop()
            continue
        link = links.get("/".join([*here, part]))
        if link is None:
            here.append(part)
            continue
        followed += 1
        if link.startswith("/") or followed > MOST_LINKS:
            return False
        ahead = link.split("/") + ahead
    return True


def _parents(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:depth]) for depth in range(1, len(parts))]
