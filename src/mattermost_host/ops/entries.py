"""What may stand at a path, what does, and whether that is the same."""

import hashlib
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from mattermost_host.engine.questions import Question


@dataclass(frozen=True)
class File:
    """A file with just this content, mode and owner."""

    path: str
    content: str | bytes = field(repr=False)
    mode: str = "644"
    user: str = "root"
    group: str = "root"
    secret: bool = False
    """Its content is never shown, not even as a difference."""
    guards: bool = False
    """It says who may come in: another content is as grave as an open door."""

    @property
    def data(self) -> bytes:
        """The content as bytes."""
        return self.content.encode() if isinstance(self.content, str) else self.content

    @property
    def sha256(self) -> str:
        """Digest of the content."""
        return hashlib.sha256(self.data).hexdigest()


@dataclass(frozen=True)
class Directory:
    """A directory with this mode and owner; what is in it is not ours to say."""

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
    """In this folder, which may be missing, nothing but ``names``."""

    path: str
    names: tuple[str, ...] = ()


Entry = File | Directory | Link | Absent | Alone


@dataclass(frozen=True)
class State:
    """What stands at a path."""

    kind: str
    mode: str
    user: str
    group: str
    sha256: str = ""
    target: str = ""
    members: tuple[str, ...] = ()
    """What is in a folder, where that was asked."""


@dataclass(frozen=True)
class FileStates(Question):
    """Kind, mode, owner, digest and link target of each path that exists."""

    paths: tuple[str, ...]
    listed: tuple[str, ...] = ()
    """Folders whose members are asked, too."""

    @classmethod
    def joined(cls, questions: Sequence["FileStates"]) -> "FileStates":
        """All their paths at once: three processes instead of three each."""
        return cls(
            paths=tuple(sorted({path for one in questions for path in one.paths})),
            listed=tuple(sorted({path for one in questions for path in one.listed})),
        )

    def part(self, answer: dict[str, State]) -> dict[str, State]:
        """Our paths' states."""
        return {path: answer[path] for path in self.paths if path in answer}

    def script(self) -> str:
        paths = " ".join(shlex.quote(path) for path in self.paths)
        return (
            f"stat -c '%F|%a|%U|%G|%n' -- {paths}\n"
            f"find {paths} -maxdepth 0 -type l -printf 'link|%l|%p\\n'\n"
            f"sha256sum -- {paths}\n"
            + "".join(
                f"find {shlex.quote(folder)} -mindepth 1 -maxdepth 1 -printf 'member|%f|%h\\n'\n"
                for folder in self.listed
            )
        )

    def parse(self, lines: list[str]) -> dict[str, State]:
        found: dict[str, dict[str, Any]] = {}
        for line in lines:
            if line.startswith("member|"):
                _, name, folder = line.split("|", 2)
                found[folder]["members"] = (*found[folder].get("members", ()), name)
            elif line.startswith("link|"):
                _, target, path = line.split("|", 2)
                found[path]["target"] = target
            elif "|" in line:
                kind, mode, user, group, path = line.split("|", 4)
                found[path] = {"kind": kind, "mode": mode, "user": user, "group": group}
            else:
                digest, path = line.split("  ", 1)
                found[path]["sha256"] = digest
        return {path: State(**values) for path, values in found.items()}


def is_right(entry: Entry, state: State | None) -> bool:
    """Whether what stands at the path is what the entry describes."""
    if isinstance(entry, Absent):
        return state is None
    if isinstance(entry, Alone):
        return not strangers(entry, state)
    if state is None:
        return False
    if isinstance(entry, Link):
        return state.kind == "symbolic link" and state.target == entry.target
    if isinstance(entry, File):
        return same_content(entry, state) and _same_owner(entry, state)
    return state.kind == "directory" and _same_owner(entry, state)


def strangers(entry: Alone, state: State | None) -> list[str]:
    """What is in the folder and must not be."""
    return sorted(set(state.members) - set(entry.names)) if state else []


def same_content(entry: File, state: State) -> bool:
    """Whether a regular file stands there with the entry's content."""
    regular = state.kind in {"regular file", "regular empty file"}
    return regular and state.sha256 == entry.sha256


def _same_owner(entry: File | Directory, state: State) -> bool:
    wanted = (entry.mode.lstrip("0"), entry.user, entry.group)
    return wanted == (state.mode, state.user, state.group)


def rewritten(wrong: list[Entry], states: dict[str, State]) -> list[File]:
    """The files whose content differs, as against their mode or owner only."""
    return [
        entry
        for entry in wrong
        if isinstance(entry, File)
        and not ((state := states.get(entry.path)) and same_content(entry, state))
    ]
