"""All files of a component: one question, one operation, one round trip for all repairs.

New content is unpacked in a private folder, tested there if a test is given, and renamed into
place, so no service reads half a file and a secret has mode 0600 from its first byte. Contents are
sent on standard input and are never part of a command. ``placing.sh`` shows how root does this
safely in other users' folders.
"""

import base64
import io
import shlex
import tarfile
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from importlib import resources

from pyinfra import host
from pyinfra.api import StringCommand, operation
from pyinfra.api.operation import OperationMeta

from mattermost_host.engine import explanations
from mattermost_host.engine.explanations import explain, foretell
from mattermost_host.engine.questions import ask, changing, expect
from mattermost_host.ops.differences import described
from mattermost_host.ops.entries import (
    REGULAR,
    Absent,
    Alone,
    Directory,
    Entry,
    File,
    FileStates,
    Link,
    Owned,
    Passable,
    State,
    becoming,
    is_right,
    mode_of,
    rewritten,
)


@dataclass(frozen=True)
class Check:
    """A test of new files before they are put in place.

    ``command`` is shell in which ``$stage`` is a folder with all files of the operation, on top of
    a copy of ``tree`` if one is named. If it fails, nothing on the host is changed.
    """

    command: str
    tree: str = ""


def present(name: str, entries: Sequence[Entry], check: Check | None = None) -> OperationMeta:
    """Keep ``entries`` on the host as described; ``name`` describes the result."""
    expect(_question(entries))
    return _present(name=name, entries=tuple(entries), check=check)


def _question(entries: Sequence[Entry]) -> FileStates:
    return FileStates(
        paths=tuple(sorted({entry.path for entry in entries})),
        listed=tuple(sorted(entry.path for entry in entries if isinstance(entry, Alone))),
    )


@operation()
def _present(
    entries: tuple[Entry, ...], check: Check | None
) -> Generator[StringCommand, None, None]:
    states = ask(_question(entries))
    wrong = [entry for entry in entries if not is_right(entry, states.get(entry.path))]
    if not wrong:
        host.noop("all files are as described")
        return
    foretell(becoming(wrong, states))
    if explanations.wanted():
        explain(*described(wrong, states, rewritten(wrong, states)))
    yield from changing(_put_right(entries, wrong, states, check))


PLACING = "\n".join(
    line
    for line in resources.files(__package__).joinpath("placing.sh").read_text("utf-8").splitlines()
    if line and not line.startswith("#")
)
"""Shell functions, without comments and blank lines, which sudo's journal does not need."""
CHECK_LIMIT_S = 120


def _put_right(
    entries: Sequence[Entry], wrong: list[Entry], states: dict[str, State], check: Check | None
) -> StringCommand:
    """One command for all differences: unpack in a private folder, test, rename into place."""
    if refused := list(_refused(wrong, states)):
        return StringCommand(
            "\n".join([*(f"echo {shlex.quote(one)} >&2" for one in refused), "exit 1"])
        )
    staged = [entry for entry in (entries if check else wrong) if isinstance(entry, File)]
    script = ["set -eu", "umask 077", "stage=", PLACING]
    # Read all of standard input even after a failure; without new files there is none.
    script.append("trap ended EXIT" if staged else "trap ended EXIT; exec </dev/null")
    script += [
        f"vacate {shlex.quote(entry.path)}"
        for entry in wrong
        if isinstance(entry, File) and _kind(states, entry) == "directory"
    ]
    if staged:
        script += [
            "stage=$(mktemp -d /var/tmp/mattermost-host.XXXXXXXX)",
            *(_copy_tree(check.tree) if check else ()),
            'base64 -d | tar -x --no-same-owner -C "$stage" -f -',
            *(_tested(check, wrong) if check else ()),
        ]
    script += [_step(entry, states.get(entry.path)) for entry in wrong]
    if not staged:
        # A command that reads no input may end before everything has been sent.
        return StringCommand("\n".join(script))
    return StringCommand("\n".join(script), _stdin=_packed(staged))


def _refused(wrong: list[Entry], states: dict[str, State]) -> Iterator[str]:
    """Why an entry can't be replaced: what is there instead may be needed, so it is left alone."""
    for entry in wrong:
        kind = _kind(states, entry)
        if isinstance(entry, Directory) and kind not in {"", "directory"}:
            yield (
                f"{entry.path} is a {kind}, and must be a folder: move away what is there; "
                "mount another disk there instead of linking to it."
            )
        if isinstance(entry, Owned) and kind != REGULAR:
            yield f"{entry.path} is a {kind}, and must be a file: move away what is there."


def _kind(states: dict[str, State], entry: Entry) -> str:
    state = states.get(entry.path)
    return state.kind if state else ""


def _step(entry: Entry, state: State | None) -> str:
    path = shlex.quote(entry.path)
    if isinstance(entry, Alone):
        if state and state.kind != "directory":
            return f"gone {path}"
        others = " ".join(f"! -name {shlex.quote(name)}" for name in entry.names)
        return f"alone {path} {others}".rstrip()
    if isinstance(entry, Absent | Passable):
        return f"{'gone' if isinstance(entry, Absent) else 'passable'} {path}"
    if isinstance(entry, Link):
        return f"link {path} {shlex.quote(entry.target)}"
    owner = f"{entry.user}:{entry.group}"
    if isinstance(entry, Owned):
        assert state
        return f"owned {path} {mode_of(entry, state)} {owner}"
    verb = "place" if isinstance(entry, File) else "folder"
    return f"{verb} {path} {entry.mode} {owner}"


def _copy_tree(tree: str) -> Iterator[str]:
    if tree:
        quoted = shlex.quote(tree)
        yield f'mkdir -p "$stage"{quoted}; cp -a {quoted}/. "$stage"{quoted}/ 2>/dev/null || true'


def _tested(check: Check, wrong: list[Entry]) -> Iterator[str]:
    for entry in wrong:
        if isinstance(entry, Absent):
            yield f'rm -rf "$stage"{shlex.quote(entry.path)}'
    yield f"export stage; timeout -k 5 {CHECK_LIMIT_S} sh -euc {shlex.quote(check.command)}"


def _packed(files: Sequence[File]) -> list[str]:
    """The files as lines of a base64-encoded tar archive, for standard input."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for entry in files:
            member = tarfile.TarInfo(entry.path.lstrip("/"))
            member.size = len(entry.data)
            member.mode = 0o600
            archive.addfile(member, io.BytesIO(entry.data))
    return base64.encodebytes(buffer.getvalue()).decode().splitlines()
