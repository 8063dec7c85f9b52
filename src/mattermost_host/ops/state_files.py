"""Keep the files in a service's own folders owned, readable and writable by the service.

Root may have restored or unpacked files there. Uploads may be millions of files: a plan checks the
upper levels; `verify` and, once a week, `drift` check everything within a time limit. Links, pipes
and devices are reported and left alone: somebody may keep old uploads elsewhere.
"""

import shlex
from collections.abc import Generator, Iterator
from dataclasses import dataclass

from pyinfra import host
from pyinfra.api import StringCommand, operation
from pyinfra.api.operation import OperationMeta

from mattermost_host.engine.batch import Question
from mattermost_host.engine.explanations import Change, explain
from mattermost_host.engine.questions import ask, changing, expect
from mattermost_host.ops.entries import KINDS
from mattermost_host.ops.files import PLACING
from mattermost_host.ops.what_was_read import words

STATE = "/var/lib/mattermost"
CONFIGURATION = f"{STATE}/config/config.json"
"""The server's own configuration; our settings are in the environment."""
KEPT = (f"{STATE}/config", f"{STATE}/data")
"""The folder that can't be replaced: plugins are unpacked from data/ at each start."""
LOGS = "/var/log/mattermost"
LOG_FILE = f"{LOGS}/mattermost.log"
PLUGINS = (f"{STATE}/plugins", f"{STATE}/client-plugins")
"""Folders of plugins, whose files have the modes that the plugins' authors gave them."""
FOLDERS = (f"{STATE}/config", f"{STATE}/data", *PLUGINS, LOGS)
LEVELS = 2
"""Levels below each folder; for uploads these are days and kinds, some thousands after years."""
LOOK_S = 20
"""Time limit for everything; all questions of a host together have 30 s."""
MOST = 500
"""Most paths that a host prints."""
SHOWN = 20
ODD = r"\( -type l -o -type p -o -type b -o -type c \)"
"""find's tests for types that the server does not create."""
SET_ID = 0o6000


@dataclass(frozen=True)
class Member:
    """A path below the folders that has something wrong."""

    kind: str
    mode: int
    user: str
    path: str
    target: str = ""
    """A link's target."""


@dataclass(frozen=True)
class Found:
    """Paths with a wrong owner or mode, and special files."""

    wrong: tuple[Member, ...] = ()
    odd: tuple[Member, ...] = ()
    """Links, pipes and devices."""
    unfinished: bool = False
    """Whether the time limit ended the check."""


@dataclass(frozen=True)
class AskMembers(Question[Found]):
    """The files below ``folders`` that ``user`` does not own, or can't read or write."""

    about = "the files of {user}"

    user: str
    folders: tuple[str, ...]
    read_only: tuple[str, ...] = ()
    """Those of ``folders`` whose files need not be writable."""
    apart: tuple[str, ...] = ()
    """Files that another operation checks."""
    whole: bool = False
    """Whether to check below the upper levels, too."""

    def script(self) -> str:
        levels = "" if self.whole else f"-maxdepth {LEVELS}"
        passed = " ".join(f"-path {shlex.quote(path)} -o" for path in self.apart)
        wrong = f"\\( -type d -o -type f \\) {_wrong(self.user, self.read_only)}"
        return (
            f"{{ timeout {LOOK_S} find {words(self.folders)} -mindepth 1 {levels}"
            f" \\( {passed} -name lost+found \\) -prune"
            f" -o \\( {wrong} -o {ODD} \\) -printf '%y|%m|%u|%p|%l\\n'"
            " || [ $? != 124 ] || echo unfinished; }"
            f" | head -n {MOST}"
        )

    def parse(self, lines: list[str]) -> Found:
        rows = [line.split("|", 4) for line in lines]
        members = [
            Member(KINDS.get(row[0], row[0]), int(row[1], 8), *row[2:])
            for row in rows
            # A name with a newline gives lines of another form.
            if len(row) == 5 and row[1].isdigit()
        ]
        return Found(
            tuple(one for one in members if one.kind in (KINDS["f"], KINDS["d"])),
            tuple(one for one in members if one.kind not in (KINDS["f"], KINDS["d"])),
            ["unfinished"] in rows,
        )


def of_server(user: str, *, whole: bool) -> AskMembers:
    """The question about the server's folders; config.json and log are checked elsewhere."""
    return AskMembers(user, FOLDERS, PLUGINS, apart=(CONFIGURATION, LOG_FILE), whole=whole)


def _wrong(user: str, read_only: tuple[str, ...]) -> str:
    """find's tests for a file or folder that ``user`` does not own or can't use."""
    elsewhere = " ".join(f"! -path {shlex.quote(f'{folder}/*')}" for folder in read_only)
    return (
        f"\\( ! -user {user} -o -type d ! -perm -u+rwx -o -type f \\( -perm /6000"
        f" -o ! -perm -u+r -o ! -perm -u+w {elsewhere} \\) \\)"
    )


def flaw(user: str, one: Member) -> str:
    """What is wrong with a path, as the predicate of a sentence."""
    if one.user != user:
        return f"belongs to {one.user} instead of {user}"
    if one.kind == KINDS["f"] and one.mode & SET_ID:
        return f"has mode {one.mode:o}: whoever runs it gets {user}'s rights"
    return f"has mode {one.mode:o}: {user} can't use it"


def owned(name: str, members: AskMembers) -> OperationMeta:
    """Keep each file below the folders owned, readable and writable by its service."""
    expect(members)
    return _owned(name=name, members=members)


@operation()
def _owned(members: AskMembers) -> Generator[StringCommand, None, None]:
    found: Found = ask(members)
    if not found.wrong:
        host.noop("each file is its service's own")
        return
    explain(*_changes(members.user, found.wrong))
    yield from changing(StringCommand(_put_right(members)))


def _changes(user: str, wrong: tuple[Member, ...]) -> Iterator[Change]:
    for one in wrong[:SHOWN]:
        yield Change(one.path, flaw(user, one))
    if len(wrong) > SHOWN:
        more = f"{len(wrong) - SHOWN}{' or more' if len(wrong) == MOST else ''}"
        yield Change(wrong[0].path, f"is one of many: {more} others are not {user}'s to use either")


def _put_right(members: AskMembers) -> str:
    """Root changes the owner, and the service's account changes the modes.

    The folders belong to the service, which may exchange names in them at any moment. So root does
    not change modes, which would follow links, and leaves files with a second hard link alone,
    which may belong to anybody.
    """
    user = members.user
    every = "find . -mindepth 1 -name lost+found -prune -o"
    return f"""set -eu
umask 077
stage=
{PLACING}
trap ended EXIT; exec </dev/null
read -r protected </proc/sys/fs/protected_hardlinks || :
subject='the files of {user}'
[ "$protected" = 1 ] || refuse "can't be given to it safely while fs.protected_hardlinks is 0."
for folder in {words(members.folders)}; do
  subject=$folder
  enter "$folder"
  {every} \\( -type d -o -type f -links 1 \\) ! -user {user} -execdir chown -h {user}: -- {{}} +
  runuser -u {user} -- {every} \\
    -type d -user {user} ! -perm -u+rwx -execdir chmod u+rwx -- {{}} \\; -o \\
    -type f -user {user} \\( -perm /6000 -o ! -perm -u+rw \\) -execdir chmod u+rw,a-s -- {{}} +
  left=$({every} -type f ! -user {user} -print -quit)
  [ -z "$left" ] ||
    refuse "$left has a second name (a hard link), and may be another's. Move it away."
done"""
