"""What is wrong with files, in words, and the difference where no secret is in it."""

import base64
import difflib
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mattermost_host.engine.explanations import Change, Severity
from mattermost_host.engine.questions import Question, ask
from mattermost_host.ops.entries import (
    Absent,
    Alone,
    Directory,
    Entry,
    File,
    Link,
    State,
    strangers,
)

COMMENTS = ("#", ";", "//")


@dataclass(frozen=True)
class FileContents(Question):
    """The text of each path, for the sake of a readable difference."""

    paths: tuple[str, ...]

    def script(self) -> str:
        paths = " ".join(shlex.quote(path) for path in self.paths)
        return f'for path in {paths}; do printf "%s " "$path"; base64 -w 0 "$path"; echo; done'

    def parse(self, lines: list[str]) -> dict[str, str]:
        pairs = (line.split(" ", 1) for line in lines if " " in line)
        return {path: base64.b64decode(text).decode(errors="replace") for path, text in pairs}


def described(
    wrong: Sequence[Entry], states: dict[str, State], rewritten: Sequence[File]
) -> Iterator[Change]:
    """A change for each entry; ``rewritten`` are the files whose content differs."""
    shown = tuple(file.path for file in rewritten if not file.secret and file.path in states)
    now = ask(FileContents(shown)) if shown else {}
    for entry in wrong:
        state = states.get(entry.path)
        diff = (
            _diff(entry, now[entry.path]) if isinstance(entry, File) and entry.path in now else ()
        )
        severity = _severity(entry, state, diff)
        yield Change(entry.path, _found(entry, state), severity=severity, diff=diff)


def _found(entry: Entry, state: State | None) -> str:
    if isinstance(entry, Absent):
        return "is there, and must not be"
    if isinstance(entry, Alone):
        return f"holds {', '.join(strangers(entry, state))}, which must not be there"
    if state is None:
        return "is missing"
    if isinstance(entry, Link):
        return f"leads to {state.target}" if state.target else f"is a {state.kind}"
    return " and ".join(_flaws(entry, state)) or f"is a {state.kind}"


def _flaws(entry: File | Directory, state: State) -> Iterator[str]:
    if isinstance(entry, File) and state.sha256 != entry.sha256:
        yield "has another content" if state.sha256 else f"is a {state.kind}"
    if entry.mode.lstrip("0") != state.mode:
        yield f"has mode {state.mode} instead of {entry.mode}"
    if _is_somebody_elses(entry, state):
        yield f"belongs to {state.user}:{state.group} instead of {entry.user}:{entry.group}"


def _severity(entry: Entry, state: State | None, diff: tuple[str, ...]) -> Severity:
    if isinstance(entry, File | Directory) and state and _is_open(entry, state):
        return "critical"
    edited = [line[1:].strip() for line in diff[2:] if line[:1] in "+-"]
    only_comments = edited and all(not line or line.startswith(COMMENTS) for line in edited)
    if only_comments and isinstance(entry, File) and state and not _is_somebody_elses(entry, state):
        return "info" if entry.mode.lstrip("0") == state.mode else "warning"
    return "critical" if isinstance(entry, File) and entry.guards else "warning"


def _is_open(entry: File | Directory, state: State) -> bool:
    """Whether somebody who should not may write it, or read a secret in it."""
    others = int(state.mode, 8) & ~int(entry.mode, 8) & 0o007
    secret = isinstance(entry, File) and entry.secret
    return bool(others & 0o002) or (secret and (bool(others) or _is_somebody_elses(entry, state)))


def _is_somebody_elses(entry: File | Directory, state: State) -> bool:
    return (entry.user, entry.group) != (state.user, state.group)


def _diff(entry: File, now: str) -> tuple[str, ...]:
    wanted = entry.data.decode(errors="replace").splitlines()
    return tuple(
        difflib.unified_diff(
            now.splitlines(), wanted, "on the host", "as described", lineterm="", n=2
        )
    )
