"""All the files of a component: one question, one operation, one round trip to put things right.

New content is unpacked in a private folder, tested there where a test is given, and renamed into
place, so no service ever reads half a file and a secret is 0600 from its first byte. Contents
travel by standard input and are never part of a command.
"""

import base64
import io
import shlex
import tarfile
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass

from pyinfra import host
from pyinfra.api import StringCommand, operation
from pyinfra.api.operation import OperationMeta

from mattermost_host.engine import explanations
from mattermost_host.engine.explanations import explain
from mattermost_host.engine.questions import ask, changing, expect
from mattermost_host.ops.differences import described
from mattermost_host.ops.entries import (
    Absent,
    Alone,
    Directory,
    Entry,
    File,
    FileStates,
    Link,
    State,
    is_right,
    rewritten,
    strangers,
)


@dataclass(frozen=True)
class Check:
    """A test of new files before they are put in place.

    ``command`` is shell in which ``$stage`` is a folder with all files of the operation, over a
    copy of ``tree`` where one is named. A failure leaves the host as it was.
    """

    command: str
    tree: str = ""


def present(name: str, entries: Sequence[Entry], check: Check | None = None) -> OperationMeta:
    """Keep ``entries`` on the host as described; ``name`` says the result."""
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
    if explanations.wanted():
        explain(*described(wrong, states, rewritten(wrong, states)))
    yield from changing(_put_right(entries, wrong, states, check))


PLACE = """place() {
  new="$(dirname "$1")/.$(basename "$1").mattermost-host~"
  trap 'rm -rf "$stage" "$new"' EXIT
  rm -rf "$new"; cp "$stage$1" "$new"; chown "$3:$4" "$new"; chmod "$2" "$new"
  sync "$new"; mv -fT "$new" "$1"
}
"""


def _put_right(
    entries: Sequence[Entry], wrong: list[Entry], states: dict[str, State], check: Check | None
) -> StringCommand:
    """One command for everything that is wrong: unpack aside, test, rename into place."""
    if refused := list(_refused(wrong, states)):
        return StringCommand(
            "\n".join([*(f"echo {shlex.quote(one)} >&2" for one in refused), "exit 1"])
        )
    written = rewritten(wrong, states)
    staged: Sequence[File]
    staged = [entry for entry in entries if isinstance(entry, File)] if check else written
    script = ["set -eu", "umask 077"]
    if staged:
        script += [
            # Whatever fails, what is sent has to be read: else the run hears of a broken line only.
            "trap 'cat >/dev/null' EXIT",
            "stage=$(mktemp -d /var/tmp/mattermost-host.XXXXXXXX)",
            "trap 'cat >/dev/null; rm -rf \"$stage\"' EXIT",
            *(_copy_tree(check.tree) if check else ()),
            'base64 -d | tar -x --no-same-owner -C "$stage" -f -',
            *(_tested(check, wrong) if check else ()),
            PLACE,
        ]
    script += [_step(entry, states.get(entry.path), entry in written) for entry in wrong]
    if not staged:
        # A command that reads nothing may have ended before all is sent.
        return StringCommand("\n".join(script))
    return StringCommand("\n".join(script), _stdin=_packed(staged))


def _refused(wrong: list[Entry], states: dict[str, State]) -> Iterator[str]:
    """Where a folder belongs stands something with a content that we can't judge: all stays."""
    for entry in wrong:
        state = states.get(entry.path)
        if isinstance(entry, Directory) and state and state.kind != "directory":
            yield (
                f"{entry.path} is a {state.kind}, and must be a folder: move away what is there; "
                "another disk is to be mounted there, not linked to."
            )


def _step(entry: Entry, state: State | None, written: bool) -> str:
    path = shlex.quote(entry.path)
    if isinstance(entry, Alone):
        return f"cd {path} && rm -rf -- {shlex.join(strangers(entry, state))}"
    if isinstance(entry, Absent):
        return f"rm -rf {path}"
    if isinstance(entry, Link):
        aside = f"{path}.mattermost-host~"
        return f"ln -sfn {shlex.quote(entry.target)} {aside}; mv -fT {aside} {path}"
    if written:
        return f"place {path} {entry.mode} {entry.user} {entry.group}"
    made = f"mkdir -p {path}; " if isinstance(entry, Directory) else ""
    return f"{made}chown {entry.user}:{entry.group} {path}; chmod {entry.mode} {path}"


def _copy_tree(tree: str) -> Iterator[str]:
    if tree:
        quoted = shlex.quote(tree)
        yield f'mkdir -p "$stage"{quoted}; cp -a {quoted}/. "$stage"{quoted}/ 2>/dev/null || true'


def _tested(check: Check, wrong: list[Entry]) -> Iterator[str]:
    for entry in wrong:
        if isinstance(entry, Absent):
            yield f'rm -rf "$stage"{shlex.quote(entry.path)}'
    yield check.command


def _packed(files: Sequence[File]) -> list[str]:
    """The files as lines of a base64 tar archive, for standard input."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for entry in files:
            member = tarfile.TarInfo(entry.path.lstrip("/"))
            member.size = len(entry.data)
            member.mode = 0o600
            archive.addfile(member, io.BytesIO(entry.data))
    return base64.encodebytes(buffer.getvalue()).decode().splitlines()
