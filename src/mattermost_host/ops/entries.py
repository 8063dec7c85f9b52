"""What should be at a path, what is there, and whether they match."""

import hashlib
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from mattermost_host.engine.batch import Question


@dataclass(frozen=True)
class File:
    """A file with this content, mode and owner."""

    path: str
    content: str | bytes = field(repr=False)
    mode: str = "644"
    user: str = "root"
    group: str = "root"
    secret: bool = False
    """The content is secret: it is never shown, not even in a diff."""
    guards: bool = False
    """It controls access: a different content is a critical change."""

    @property
    def data(self) -> bytes:
        """The content as bytes."""
        return self.content.encode() if isinstance(self.content, str) else self.content

    @property
    def sha256(self) -> str:
        """SHA-256 of the content."""
        return hashlib.sha256(self.data).hexdigest()


@dataclass(frozen=True)
class Directory:
    """A directory with this mode and owner; its content is not managed."""

    path: str
    mode: str = "755"
    user: str = "root"
    group: str = "root"


@dataclass(frozen=True)
class Link:
    """A symbolic link with this target."""

    path: str
    target: str


@dataclass(frozen=True)
class Absent:
    """Nothing at this path."""

    path: str


@dataclass(frozen=True)
class Alone:
    """A folder, which may be missing, that contains nothing but ``names``."""

    path: str
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Owned:
    """A file that the service writes, if it exists: its owner, and the widest allowed mode."""

    path: str
    user: str
    group: str
    mode: str = "640"


@dataclass(frozen=True)
class Passable:
    """A folder of the system that everybody gets through; nothing else of it is ours to say."""

    path: str


Entry = File | Directory | Link | Absent | Alone | Owned | Passable
REGULAR = "regular file"
KINDS = {
    "f": REGULAR,
    "d": "directory",
    "l": "symbolic link",
    "p": "named pipe",
    "s": "socket",
    "b": "block device",
    "c": "character device",
}
"""find's letters for types, which don't depend on the host's language."""
FOR_OTHERS = 0o001
"""The bit of a folder's mode that lets everybody through."""
LARGEST = 4 * 2**20
"""Larger files (bytes) can't be ours and are not read."""


@dataclass(frozen=True)
class State:
    """What is at a path."""

    kind: str
    mode: str
    user: str
    group: str
    sha256: str = ""
    target: str = ""
    members: tuple[str, ...] = ()
    """The names in a folder, if that was asked."""


@dataclass(frozen=True)
class FileStates(Question[dict[str, State]]):
    """Type, mode, owner, digest and link target of each path that exists."""

    paths: tuple[str, ...]
    listed: tuple[str, ...] = ()
    """Folders whose content is listed, too."""

    @classmethod
    def joined(cls, questions: Sequence["FileStates"]) -> "FileStates":
        """One question for all paths: three processes in all."""
        return cls(
            paths=tuple(sorted({path for one in questions for path in one.paths})),
            listed=tuple(sorted({path for one in questions for path in one.listed})),
        )

    def part(self, answer: dict[str, State]) -> dict[str, State]:
        """The states of our paths."""
        return {path: answer[path] for path in self.paths if path in answer}

    @property
    def subject(self) -> str:
        """The folders, for messages: only they can make the question hang."""
        folders = sorted({path.rpartition("/")[0] or "/" for path in self.paths})
        return f"files in {', '.join(folders)}"

    def script(self) -> str:
        paths = shlex.join(self.paths)
        # Only regular files are read: a pipe or a device may never end. A newline in a link's
        # target could be taken for another answer.
        asked = (
            f"find {paths} -maxdepth 0 -printf '%y|%m|%u|%g|%p\\n' \\("
            f" -type f -size -{LARGEST}c -exec sha256sum -- {{}} +"
            " -o -type l ! -lname '*\n*' -printf 'link|%p|%l\\n' \\)\n"
        )
        if self.listed:
            folders = shlex.join(self.listed)
            asked += f"find {folders} -mindepth 1 -maxdepth 1 -printf 'member|%h|%f\\n'\n"
        return asked

    def parse(self, lines: list[str]) -> dict[str, State]:
        found: dict[str, dict[str, Any]] = {}
        for line in lines:
            first, _, rest = line.partition("|")
            if first == "member":
                folder, _, name = rest.partition("|")
                values = found.get(folder, {})
                values["members"] = (*values.get("members", ()), name)
            elif first == "link":
                path, _, target = rest.partition("|")
                found.get(path, {})["target"] = target
            elif rest:
                mode, user, group, path = rest.split("|", 3)
                kind = KINDS.get(first, "something unknown")
                found[path] = {"kind": kind, "mode": mode, "user": user, "group": group}
            elif "  " in line:
                digest, path = line.split("  ", 1)
                found.get(path, {})["sha256"] = digest
        return {path: State(**values) for path, values in found.items()}


def is_right(entry: Entry, state: State | None) -> bool:
    """Whether the path is as the entry describes."""
    if state is None:
        return isinstance(entry, Absent | Alone | Owned | Passable)
    if isinstance(entry, Passable):
        return state.kind != "directory" or bool(int(state.mode, 8) & FOR_OTHERS)
    if isinstance(entry, Absent) or state.kind != kind_of(entry):
        return False
    if isinstance(entry, Alone):
        return not strangers(entry, state)
    if isinstance(entry, Link):
        return state.target == entry.target
    same = same_owner(entry, state) and state.mode == mode_of(entry, state)
    return same and (not isinstance(entry, File) or same_content(entry, state))


def kind_of(entry: Entry) -> str:
    """The type that the entry wants, as ``State`` names it."""
    if isinstance(entry, Link):
        return "symbolic link"
    return REGULAR if isinstance(entry, File | Owned) else "directory"


def strangers(entry: Alone, state: State | None) -> list[str]:
    """Names in the folder that must not be there."""
    return sorted(set(state.members) - set(entry.names)) if state else []


def same_content(entry: File, state: State) -> bool:
    """Whether it is a regular file with the entry's content."""
    return state.kind == REGULAR and state.sha256 == entry.sha256


def same_owner(entry: File | Directory | Owned, state: State) -> bool:
    """Whether user and group are the entry's."""
    return (entry.user, entry.group) == (state.user, state.group)


def mode_of(entry: File | Directory | Owned, state: State) -> str:
    """The wanted mode, in ``State``'s form."""
    if isinstance(entry, Owned):
        return f"{int(state.mode, 8) & int(entry.mode, 8):o}"
    return entry.mode.lstrip("0")


def rewritten(wrong: list[Entry], states: dict[str, State]) -> list[File]:
    """The files whose content differs, not only mode or owner."""
    return [
        entry
        for entry in wrong
        if isinstance(entry, File)
        and not ((state := states.get(entry.path)) and same_content(entry, state))
    ]


def becoming(wrong: Sequence[Entry], states: dict[str, State]) -> dict[str, str]:
    """What each path will be: a file's digest or a link's target; "" if it will be removed."""
    found: dict[str, str] = {}
    for entry in wrong:
        state = states.get(entry.path)
        if isinstance(entry, File):
            found[entry.path] = entry.sha256
        elif isinstance(entry, Link):
            found[entry.path] = entry.target
        elif isinstance(entry, Absent) or (state and state.kind != kind_of(entry)):
            found[entry.path] = ""
        elif isinstance(entry, Alone):
            found |= {f"{entry.path}/{name}": "" for name in strangers(entry, state)}
    return found
