"""What root does in folders of others: attackers at work while files are placed win nothing.

The attacks exchange names as fast as a process can. Each part that root must not touch lies outside
of the folder, and is compared byte by byte afterwards.
"""

import os
import shlex
import stat
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from mattermost_host.ops.entries import Absent, Alone, Directory, Entry, File, Link, Owned, State
from mattermost_host.ops.files import _put_right
from tests.unit import local

ROUNDS = 5
ATTACKER = 54321
"""A user id that nobody has."""
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be robbed by others")

ATTACKS = {
    # The names beside the file that root was known to use, and the file itself: links to the prey.
    "the file and its neighbours": """
for name in ("x", ".x.mattermost-host~", "x.mattermost-host~"):
    swap(name, lambda: os.symlink(prey, "swapped"))
""",
    "the folder itself": """
os.rename("sub", "away"); os.symlink(os.path.dirname(prey), "sub"); time.sleep(0.0005)
os.unlink("sub"); os.rename("away", "sub")
""",
    "what root makes aside": """
for name in os.listdir("."):
    if name.startswith(".mattermost-host."):
        os.rename(name, "taken"); os.symlink(os.path.dirname(prey), name)
for name in os.listdir("sub"):
    if name.startswith(".mattermost-host."):
        os.rename("sub/" + name, "sub/taken"); os.symlink(os.path.dirname(prey), "sub/" + name)
""",
    "hard links": """
swap("x", lambda: os.link(prey, "swapped")); swap("sub/x", lambda: os.link(prey, "swapped"))
""",
}
ATTACK = """
import os, sys, time
prey = sys.argv[1]
os.setgroups([]); os.setresgid(*[{uid}] * 3); os.setresuid(*[{uid}] * 3)
os.chdir(sys.argv[2])
def swap(name, make):
    make()
    os.rename("swapped", name)
print("at work", flush=True)
while True:
    try:
{attack}
    except OSError:
        for left in ("swapped",):
            try: os.unlink(left)
            except OSError: pass
"""


@pytest.fixture
def prey(tmp_path: Path) -> Path:
    """A file that only root may read, in a folder that only root may write."""
    tmp_path.chmod(0o755)
    for parent in tmp_path.parents[:2]:
        parent.chmod(0o755)
    folder = tmp_path / "roots"
    folder.mkdir(0o755)
    file = folder / "x"
    file.write_text("root's own\n")
    file.chmod(0o600)
    return file


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """A folder of the attacker's, with another one in it."""
    folder = tmp_path / "theirs"
    for each in (folder, folder / "sub"):
        each.mkdir()
        os.chown(each, ATTACKER, ATTACKER)
    return folder


@contextmanager
def _attacked(attack: str, prey: Path, folder: Path) -> Iterator[None]:
    indented = "\n".join(f"        {line}" for line in ATTACKS[attack].strip().splitlines())
    with subprocess.Popen(
        [
            sys.executable,
            "-I",
            "-c",
            ATTACK.format(attack=indented, uid=ATTACKER),
            str(prey),
            str(folder),
        ],
        stdout=subprocess.PIPE,
    ) as attacker:
        assert attacker.stdout
        assert attacker.stdout.readline()
        try:
            yield
            assert attacker.poll() is None, "the attacker gave up"
        finally:
            attacker.kill()


def _shown(folder: Path) -> dict[str, tuple[int, int, int, bytes]]:
    """What root has: each path with owner, mode and content."""
    return {
        str(path): (
            path.lstat().st_uid,
            path.lstat().st_gid,
            path.lstat().st_mode,
            path.read_bytes() if path.is_file() else b"",
        )
        for path in (folder, *folder.rglob("*"))
    }


def _put(entries: Sequence[Entry], states: dict[str, State] | None = None) -> tuple[int, str]:
    command = _put_right(entries, list(entries), states or {}, None)
    stdin = command.connector_arguments.get("_stdin") or []
    done = local.run(str(command), stdin)
    return done.returncode, done.stderr


@needs_root
@pytest.mark.parametrize("attack", ATTACKS)
def test_nothing_is_won_by_who_exchanges(attack: str, prey: Path, theirs: Path) -> None:
    """As postgres and as mattermost became root: by links, 56 of 60 and 31 of 80 times."""
    user = "nobody"
    state = State("regular file", "600", "root", "root")
    before = _shown(prey.parent)
    with _attacked(attack, prey, theirs):
        for _ in range(ROUNDS):
            for entry in (
                File(str(theirs / "x"), "harmless\n", "640", user),
                File(str(theirs / "sub/x"), "harmless\n", "640", user),
                Directory(str(theirs / "sub"), "750", user),
                Directory(str(theirs / "sub/new"), "750", user),
                Link(str(theirs / "l"), "x"),
                Absent(str(theirs / "sub/x")),
                Alone(str(theirs / "sub"), ("new",)),
                Owned(str(theirs / "x"), user, "root"),
                Owned(str(theirs / "sub/x"), user, "root"),
            ):
                _put([entry], {entry.path: state} if isinstance(entry, Owned) else None)
            assert _shown(prey.parent) == before


@needs_root
def test_undisturbed_it_works_in_folders_of_others(theirs: Path) -> None:
    root = State("regular file", "644", "root", "root")
    mine = theirs / "mine"
    mine.touch()
    entries: list[Entry] = [
        Directory(str(theirs / "new"), "02750", "nobody"),
        File(str(theirs / "new/x"), "harmless\n", "640", "nobody"),
        Owned(str(mine), "nobody", "root"),
    ]
    assert _put(entries, {str(mine): root}) == (0, "")
    owner = mine.stat().st_uid
    assert owner != 0
    assert stat.S_IMODE(mine.stat().st_mode) == 0o640
    assert [
        (path.stat().st_uid, stat.S_IMODE(path.stat().st_mode))
        for path in (theirs / "new", theirs / "new/x")
    ] == [(owner, 0o2750), (owner, 0o640)]
    assert {path.name for path in theirs.iterdir()} == {"sub", "new", "mine"}


@needs_root
def test_a_link_that_another_put_is_refused_by_name(prey: Path, theirs: Path) -> None:
    (theirs / "link").symlink_to(prey.parent)
    status, said = _put([File(str(theirs / "link/x"), "harmless\n")])
    assert status == 1
    assert f"{theirs}/link is a link, in a folder where others than root can put one." in said
    assert prey.read_text() == "root's own\n"


@needs_root
def test_a_second_name_of_roots_file_is_not_given_away(prey: Path, theirs: Path) -> None:
    other = theirs / "x"
    other.hardlink_to(prey)
    root = State("regular file", "600", "root", "root")
    status, said = _put([Owned(str(other), "nobody", "root")], {str(other): root})
    assert status == 1
    assert "has a second name (a hard link)" in said
    assert prey.stat().st_uid == 0


def test_a_link_of_our_own_is_a_way(tmp_path: Path) -> None:
    """An operator may have moved /var/lib to another disk."""
    disk = tmp_path / "disk"
    (disk / "deep").mkdir(parents=True)
    (tmp_path / "once").symlink_to("disk//deep/../deep")
    (tmp_path / "twice").symlink_to(tmp_path / "once")
    tmp_path.chmod(0o755)
    entry = _mine(File(str(tmp_path / "twice/new/x"), "here\n"))
    assert _put([entry]) == (0, "")
    assert (disk / "deep/new/x").read_text() == "here\n"


def _mine(entry: File) -> File:
    return File(entry.path, entry.content, entry.mode, str(os.geteuid()), str(os.getegid()))


def test_a_link_that_leads_to_itself_ends(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "loop").symlink_to("loop")
    status, said = _put([_mine(File(str(tmp_path / "loop/x"), ""))])
    assert status == 1
    assert "leads to itself" in said


@pytest.mark.parametrize("umask", ["022", "027", "077"])
def test_the_folders_above_are_open_whatever_the_umask(tmp_path: Path, umask: str) -> None:
    entry = _mine(File(str(tmp_path / "a/b/x"), ""))
    command = _put_right([entry], [entry], {}, None)
    stdin = command.connector_arguments["_stdin"]
    done = local.run(f"umask {umask}; sh -c {shlex.quote(str(command))}", stdin)
    assert (done.returncode, done.stderr) == (0, "")
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("a", "a/b", "a/b/x")]
    assert modes == [0o755, 0o755, 0o644]


@pytest.mark.parametrize("full", [False, True])
def test_a_folder_in_a_files_place_is_moved_only_where_it_is_empty(
    tmp_path: Path, full: bool
) -> None:
    entry = _mine(File(str(tmp_path / "x"), "ours\n"))
    (tmp_path / "x").mkdir()
    if full:
        (tmp_path / "x/kept").touch()
    found = {entry.path: State("directory", "755", "root", "root")}
    status, said = _put([entry], found)
    assert status == int(full)
    if full:
        assert f"{entry.path}: is a folder with something in it, and must be a file." in said
        assert (tmp_path / "x/kept").exists()
    else:
        assert (tmp_path / "x").read_text() == "ours\n"


def test_special_files_are_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "endless").symlink_to("/dev/zero")
    entries = [_mine(File(str(tmp_path / name), "ours\n")) for name in ("pipe", "endless")]
    assert _put(entries) == (0, "")
    assert [Path(one.path).read_text() for one in entries] == ["ours\n"] * 2


def test_an_immutable_file_is_named_with_what_to_do(tmp_path: Path) -> None:
    programs = tmp_path / "programs"
    local.program(programs, "mv", 'echo "mv: cannot move: Operation not permitted" >&2; exit 1')
    local.program(programs, "lsattr", 'echo "----i---------e------- $3"')
    entry = _mine(File(str(tmp_path / "x"), ""))
    command = _put_right([entry], [entry], {}, None)
    done = local.run(str(command), command.connector_arguments["_stdin"], programs)
    assert done.returncode == 1
    assert f"{entry.path} could not be put right." in done.stderr
    assert f"{entry.path} is immutable. If it may change, type: chattr -i -a {entry.path}" in (
        done.stderr
    )
    assert {path.name for path in tmp_path.iterdir()} == {"programs"}


def test_a_file_that_is_a_mount_is_named_with_what_to_do(tmp_path: Path) -> None:
    programs = tmp_path / "programs"
    local.program(programs, "mv", 'echo "mv: cannot move: Device or resource busy" >&2; exit 1')
    local.program(programs, "mountpoint", f'[ "$*" = "-q -- {tmp_path}/x" ]')
    entry = _mine(File(str(tmp_path / "x"), ""))
    command = _put_right([entry], [entry], {}, None)
    done = local.run(str(command), command.connector_arguments["_stdin"], programs)
    assert done.returncode == 1
    assert f"{entry.path} is a mount of its own. If it may change, type: umount {entry.path}" in (
        done.stderr
    )


def test_where_selinux_is_on_what_is_new_has_its_context_before_its_name(tmp_path: Path) -> None:
    """A rename keeps the context that the folder of its making gave it."""
    programs, said, folder = tmp_path / "programs", tmp_path / "said", tmp_path / "place"
    local.program(programs, "selinuxenabled", "exit 0")
    local.program(programs, "matchpathcon", '[ "$1" = -n ] && echo "context-of-$2"')
    unnamed = f'[ "$4" = . ] || {{ [ -e "$4" ] && [ ! -e {folder}/x ]; }} || exit 1'
    local.program(programs, "chcon", f'{unnamed}\necho "$*" >>{said}')
    me = str(os.geteuid()), str(os.getegid())
    entries: list[Entry] = [
        Directory(str(folder), "755", *me),
        _mine(File(f"{folder}/x", "ours\n")),
    ]
    command = _put_right(entries, entries, {}, None)
    done = local.run(str(command), command.connector_arguments["_stdin"], programs)
    assert (done.returncode, done.stderr) == (0, "")
    assert said.read_text().splitlines() == [
        f"-h -- context-of-{folder} .",
        f"-h -- context-of-{folder}/x ./new",
    ]
