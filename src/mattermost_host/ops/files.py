"""All the files of a component: one question, one operation, one round trip to put things right.

New content is unpacked in a private folder, tested there where a test is given, and renamed into
place, so no service ever reads half a file and a secret is 0600 from its first byte. Contents
travel by standard input and are never part of a command.
"""

import base64
import hashlib
import io
import shlex
import tarfile
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field

from pyinfra import host
from pyinfra.api import StringCommand, operation
from pyinfra.api.operation import OperationMeta

from mattermost_host.ops.answers import Question, ask, changing, expect


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

    @property
    def data(self) -> bytes:
        return self.content.encode() if isinstance(self.content, str) else self.content


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


Entry = File | Directory | Link | Absent


@dataclass(frozen=True)
class State:
    """What stands at a path."""

    kind: str
    mode: str
    user: str
    group: str
    sha256: str = ""
    target: str = ""


@dataclass(frozen=True)
class FileStates(Question):
    """Kind, mode, owner, digest and link target of each path that exists."""

    paths: tuple[str, ...]

    def script(self) -> str:
        paths = " ".join(shlex.quote(path) for path in self.paths)
        return (
            f"stat -c '%F|%a|%U|%G|%n' -- {paths}\n"
            f"find {paths} -maxdepth 0 -type l -printf 'link|%l|%p\\n'\n"
            f"sha256sum -- {paths}"
        )

    def parse(self, lines: list[str]) -> dict[str, State]:
        found: dict[str, dict[str, str]] = {}
        for line in lines:
            if line.startswith("link|"):
                _, target, path = line.split("|", 2)
                found[path]["target"] = target
            elif "|" in line:
                kind, mode, user, group, path = line.split("|", 4)
                found[path] = {"kind": kind, "mode": mode, "user": user, "group": group}
            else:
                digest, path = line.split("  ", 1)
                found[path]["sha256"] = digest
        return {path: State(**values) for path, values in found.items()}


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
    return FileStates(tuple(sorted(entry.path for entry in entries)))


@operation()
def _present(
    entries: tuple[Entry, ...], check: Check | None
) -> Generator[StringCommand, None, None]:
    states = ask(_question(entries))
    wrong = [entry for entry in entries if not is_right(entry, states.get(entry.path))]
    if not wrong:
        host.noop("all files are as described")
        return
    yield from changing(_put_right(entries, wrong, states, check))


def is_right(entry: Entry, state: State | None) -> bool:
    """Whether what stands at the path is what the entry describes."""
    if isinstance(entry, Absent):
        return state is None
    if state is None:
        return False
    if isinstance(entry, Link):
        return state.kind == "symbolic link" and state.target == entry.target
    if isinstance(entry, File):
        return _same_content(entry, state) and _same_owner(entry, state)
    return state.kind == "directory" and _same_owner(entry, state)


def _same_content(entry: File, state: State) -> bool:
    regular = state.kind in {"regular file", "regular empty file"}
    return regular and state.sha256 == hashlib.sha256(entry.data).hexdigest()


def _same_owner(entry: File | Directory, state: State) -> bool:
    wanted = (entry.mode.lstrip("0"), entry.user, entry.group)
    return wanted == (state.mode, state.user, state.group)


PLACE = """place() {
  new="$(dirname "$1")/.$(basename "$1").mattermost-host~"
  rm -rf "$new"; cp "$stage$1" "$new"; chown "$3:$4" "$new"; chmod "$2" "$new"
  sync "$new"; mv -fT "$new" "$1"
}
"""


def _put_right(
    entries: Sequence[Entry], wrong: list[Entry], states: dict[str, State], check: Check | None
) -> StringCommand:
    """One command for everything that is wrong: unpack aside, test, rename into place."""
    written = [entry for entry in wrong if _needs_content(entry, states)]
    staged = [entry for entry in entries if isinstance(entry, File)] if check else written
    script = ["set -eu", "umask 077"]
    if staged:
        script += [
            "stage=$(mktemp -d /var/tmp/mattermost-host.XXXXXXXX)",
            "trap 'rm -rf \"$stage\"' EXIT",
            *(_copy_tree(check.tree) if check else ()),
            'base64 -d | tar -x --no-same-owner -C "$stage" -f -',
            *(_tested(check, wrong) if check else ()),
            PLACE,
        ]
    script += [_step(entry, entry in written) for entry in wrong]
    return StringCommand("\n".join(script), _stdin=_packed(staged))


def _needs_content(entry: Entry, states: dict[str, State]) -> bool:
    state = states.get(entry.path)
    return isinstance(entry, File) and not (state and _same_content(entry, state))


def _step(entry: Entry, written: bool) -> str:
    path = shlex.quote(entry.path)
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


def _packed(files: Sequence[Entry]) -> list[str]:
    """The files as lines of a base64 tar archive, for standard input."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for entry in files:
            assert isinstance(entry, File)  # nothing else has content
            member = tarfile.TarInfo(entry.path.lstrip("/"))
            member.size = len(entry.data)
            member.mode = 0o600
            archive.addfile(member, io.BytesIO(entry.data))
    return base64.encodebytes(buffer.getvalue()).decode().splitlines()
