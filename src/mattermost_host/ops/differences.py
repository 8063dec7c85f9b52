"""What is wrong with files, in words, with a diff if there is no secret in it."""

import base64
import difflib
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mattermost_host.engine.batch import Question
from mattermost_host.engine.explanations import Change, Severity
from mattermost_host.engine.questions import ask
from mattermost_host.ops.entries import (
    LARGEST,
    Absent,
    Alone,
    Directory,
    Entry,
    File,
    Link,
    Owned,
    Passable,
    State,
    kind_of,
    mode_of,
    same_content,
    same_owner,
    strangers,
)

COMMENTS = ("#", ";", "//")


@dataclass(frozen=True)
class FileContents(Question[dict[str, str]]):
    """The text of each path, for a readable diff; links are not followed."""

    about = "the text of files that differ"

    paths: tuple[str, ...]

    def script(self) -> str:
        # Enter the folder first and check its real path: another user's link could show what only
        # root may read. nonblock and count: don't wait for a pipe or read a device without end.
        read = f'dd if=./"${{path##*/}}" iflag=nofollow,nonblock bs=64k count={LARGEST >> 16}'
        return (
            f"for path in {shlex.join(self.paths)}; do\n"
            '  cd -P -- "${path%/*}" && [ "$(env pwd -P)" = "${path%/*}" ] || continue\n'
            '  [ -f "./${path##*/}" ] && [ ! -L "./${path##*/}" ] || continue\n'
            f'  printf "%s " "$path"; {read} | base64 -w 0; echo\n'
            "done"
        )

    def parse(self, lines: list[str]) -> dict[str, str]:
        pairs = (line.rsplit(" ", 1) for line in lines if " " in line)
        return {path: base64.b64decode(text).decode(errors="replace") for path, text in pairs}


def described(
    wrong: Sequence[Entry], states: dict[str, State], rewritten: Sequence[File]
) -> Iterator[Change]:
    """The changes of the entries; ``rewritten`` are the files whose content differs."""
    shown = tuple(file.path for file in rewritten if not file.secret and file.path in states)
    now = ask(FileContents(shown)) if shown else {}
    for entry in wrong:
        state = states.get(entry.path)
        diff = (
            _diff(entry, now[entry.path]) if isinstance(entry, File) and entry.path in now else ()
        )
        severity = _severity(entry, state, diff)
        yield Change(
            entry.path,
            _found(entry, state),
            severity=severity,
            diff=diff,
            content=not _is_read_alike(entry, state),
        )


def _found(entry: Entry, state: State | None) -> str:
    if isinstance(entry, Absent):
        return "exists, but should not"
    if state is None:
        return "is missing"
    if state.kind != kind_of(entry):
        return f"is a {state.kind} instead of a {kind_of(entry)}"
    if isinstance(entry, Alone):
        return f"holds {', '.join(strangers(entry, state))}, which must not be there"
    if isinstance(entry, Link):
        return f"leads to {state.target}"
    return " and ".join(_flaws(entry, state))


def _flaws(entry: File | Directory | Owned | Passable, state: State) -> Iterator[str]:
    if isinstance(entry, Passable):
        yield f"has mode {state.mode}: services can't get to their folders in it"
        return
    if isinstance(entry, File) and state.sha256 != entry.sha256:
        yield "has another content"
    if state.mode != (wanted := mode_of(entry, state)):
        yield f"has mode {state.mode} instead of {wanted}"
    if not same_owner(entry, state):
        yield f"belongs to {state.user}:{state.group} instead of {entry.user}:{entry.group}"


def _is_read_alike(entry: Entry, state: State | None) -> bool:
    """Whether only mode or owner differ."""
    if state is None or state.kind != kind_of(entry):
        return False
    return isinstance(entry, Directory | Owned | Passable) or (
        isinstance(entry, File) and same_content(entry, state)
    )


def _severity(entry: Entry, state: State | None, diff: tuple[str, ...]) -> Severity:
    if isinstance(entry, File | Directory | Owned) and state and _is_open(entry, state):
        return "critical"
    edited = [line[1:].strip() for line in diff[2:] if line[:1] in "+-"]
    only_comments = edited and all(not line or line.startswith(COMMENTS) for line in edited)
    if only_comments and isinstance(entry, File) and state and same_owner(entry, state):
        return "info" if entry.mode.lstrip("0") == state.mode else "warning"
    return "critical" if isinstance(entry, File) and entry.guards else "warning"


def _is_open(entry: File | Directory | Owned, state: State) -> bool:
    """Whether other users can write it, or read a secret in it."""
    others = int(state.mode, 8) & ~int(entry.mode, 8) & 0o007
    secret = isinstance(entry, Owned) or (isinstance(entry, File) and entry.secret)
    return bool(others & 0o002) or (secret and (bool(others) or not same_owner(entry, state)))


def _diff(entry: File, now: str) -> tuple[str, ...]:
    wanted = entry.data.decode(errors="replace").splitlines()
    return tuple(
        difflib.unified_diff(
            now.splitlines(), wanted, "on the host", "as described", lineterm="", n=2
        )
    )
