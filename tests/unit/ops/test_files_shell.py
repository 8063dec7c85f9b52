"""Files by the real shell: put right in place, and nobody ever sees half of one."""

import hashlib
import os
import stat
from pathlib import Path

import pytest

from mattermost_host.ops import files
from mattermost_host.ops.differences import FileContents
from mattermost_host.ops.entries import (
    LARGEST,
    Absent,
    Alone,
    Directory,
    Entry,
    File,
    FileStates,
    Link,
    Passable,
    is_right,
)
from mattermost_host.ops.files import Check
from tests.unit import local
from tests.unit.fake_host import answering, plan
from tests.unit.ops.test_files import GROUP, USER, planned


class Here:
    """A folder of this machine kept by ``files.present``, as the user who runs the tests."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.programs = folder / "programs"
        self.kept = folder / "kept"
        self.kept.mkdir()
        self.stages = folder / "stages"
        self.stages.mkdir()

    def file(self, name: str, content: str, mode: str = "600", user: str = USER) -> File:
        return File(str(self.kept / name), content, mode, user, GROUP)

    def put_right(self, entries: list[Entry], check: Check | None = None) -> tuple[int, str]:
        """Ask, run what follows from the answer, and say its exit status and standard error."""
        question = files._question(entries)
        (step,) = planned(entries, check, {question: local.ask_here(question)}).steps
        if not step.changes:
            return -1, ""
        script = step.shell.replace("/var/tmp/", f"{self.stages}/")
        done = local.run(script, step.stdin, self.programs)
        return done.returncode, done.stderr

    def names(self) -> set[str]:
        return {path.name for path in self.kept.iterdir()}


@pytest.fixture
def here(tmp_path: Path) -> Here:
    return Here(tmp_path)


NOTHING_TO_DO = (-1, "")
DONE = (0, "")


def test_by_the_real_shell_it_converges(here: Here) -> None:
    (here.kept / "old").mkdir()
    (here.kept / "old" / "x").touch()
    entries: list[Entry] = [
        Directory(str(here.kept / "sub"), "750", USER, GROUP),
        here.file("sub/secret", "hunter2\n", "640"),
        here.file("with 'quotes' $and `more`", "ä\0\n"),
        Link(str(here.kept / "current"), "sub"),
        Absent(str(here.kept / "old")),
    ]
    assert here.put_right(entries) == DONE
    assert (here.kept / "sub/secret").read_text() == "hunter2\n"
    assert stat.S_IMODE((here.kept / "sub/secret").stat().st_mode) == 0o640
    assert (here.kept / "current").readlink() == Path("sub")
    assert here.names() == {"sub", "with 'quotes' $and `more`", "current"}
    assert [path.name for path in (here.kept / "sub").iterdir()] == ["secret"]
    assert here.put_right(entries) == NOTHING_TO_DO


def test_each_edit_by_hand_is_put_right(here: Here) -> None:
    entries: list[Entry] = [here.file("x", "ours\n"), Link(str(here.kept / "l"), "x")]
    assert here.put_right(entries) == DONE
    file, link = here.kept / "x", here.kept / "l"

    def emptied() -> None:
        file.write_text("")

    def replaced_by_link() -> None:
        file.rename(here.kept / "elsewhere")
        file.symlink_to("elsewhere")

    def opened() -> None:
        file.chmod(0o644)

    def led_astray() -> None:
        link.unlink()
        link.symlink_to("/nowhere")

    for edit in (emptied, replaced_by_link, opened, led_astray, file.unlink, link.unlink):
        edit()
        assert here.put_right(entries) == DONE, edit
        assert here.put_right(entries) == NOTHING_TO_DO, edit
        assert file.read_text() == "ours\n"


def test_a_secret_is_private_from_its_first_byte_and_appears_whole(here: Here) -> None:
    # Each program that touches a file on its way says first what others could see of it.
    log = here.folder / "log"
    for name in ("cp", "chown", "chmod", "sync", "mv"):
        real = f"/bin/{name}"
        look = f'stat -c "%a" {here.kept}/.mattermost-host.*/new "$stage{here.kept}/secret"'
        local.program(
            here.programs,
            name,
            f'stage=$(echo {here.stages}/*); {look} >>{log} 2>/dev/null; {real} "$@"',
        )
    assert here.put_right([here.file("secret", "hunter2\n", "640")]) == DONE
    modes = log.read_text().split()
    assert len(modes) >= 8
    assert set(modes) <= {"600", "640"}
    assert modes[0] == "600"


def test_the_file_is_replaced_by_a_rename(here: Here) -> None:
    old = here.kept / "x"
    old.write_text("old\n")
    with old.open() as still_reading:
        assert here.put_right([here.file("x", "new\n")]) == DONE
        assert still_reading.read() == "old\n"
    assert old.read_text() == "new\n"


def test_a_failed_check_leaves_everything_as_it_was(here: Here) -> None:
    (here.kept / "x").write_text("old\n")
    check = Check(f'grep -q good "$stage{here.kept}/x"')
    status, _ = here.put_right([here.file("x", "bad\n"), here.file("y", "")], check)
    assert status != 0
    assert (here.kept / "x").read_text() == "old\n"
    assert here.names() == {"x"}
    assert list(here.stages.iterdir()) == []
    assert here.put_right([here.file("x", "good\n")], check) == DONE


def test_the_check_sees_the_tree_as_it_will_be(here: Here) -> None:
    for name in ("kept", "replaced", "removed"):
        (here.kept / name).write_text(f"old {name}\n")
    entries: list[Entry] = [
        here.file("replaced", "new replaced\n"),
        Absent(str(here.kept / "removed")),
    ]
    seen = here.folder / "seen"
    check = Check(f'cat "$stage{here.kept}"/* >{seen}', tree=str(here.kept))
    assert here.put_right(entries, check) == DONE
    assert seen.read_text() == "old kept\nnew replaced\n"


def test_a_failure_on_the_way_leaves_no_half_file(here: Here) -> None:
    (here.kept / "x").write_text("old\n")
    status, error = here.put_right([here.file("x", "new\n", user="no-such-user")])
    assert status != 0
    assert "no-such-user" in error
    assert (here.kept / "x").read_text() == "old\n"
    assert here.names() == {"x"}, "a leftover beside the file"
    assert list(here.stages.iterdir()) == []


def test_what_a_killed_run_left_beside_a_file_is_cleared(here: Here) -> None:
    left = here.kept / ".mattermost-host.abc"
    left.mkdir()
    (left / "new").write_text("half")
    assert here.put_right([here.file("x", "new\n")]) == DONE
    assert here.names() == {"x"}


def test_a_folder_that_must_hold_nothing_else(here: Here) -> None:
    folder = here.folder / "unit.d"
    folder.mkdir()
    (folder / "ours.conf").touch()
    (folder / "theirs.conf").touch()
    entries: list[Entry] = [Alone(str(folder), ("ours.conf",)), Alone(str(here.folder / "none"))]
    assert here.put_right(entries) == DONE
    assert [path.name for path in folder.iterdir()] == ["ours.conf"]
    assert here.put_right(entries) == NOTHING_TO_DO


@pytest.mark.parametrize("kind", ["symbolic link", "regular file"])
def test_something_else_in_a_folders_place_is_told_and_left(tmp_path: Path, kind: str) -> None:
    disk, place = tmp_path / "disk", tmp_path / "data"
    disk.mkdir(mode=0o755)
    place.symlink_to(disk) if kind == "symbolic link" else place.touch()
    entries: list[Entry] = [
        Directory(str(place), "700", USER, GROUP),
        File(str(tmp_path / "new"), "x"),
    ]
    question = files._question(entries)
    answer = answering({question: local.ask_here(question)})
    (step,) = plan(files.present, name="files", entries=entries, answer=answer).steps
    done = local.run(step.shell, step.stdin)
    assert done.returncode == 1
    assert f"{place} is a {kind}" in done.stderr
    assert "mount another disk there instead of linking to it." in done.stderr
    assert stat.S_IMODE(disk.stat().st_mode) == 0o755
    assert not (tmp_path / "new").exists()


def test_no_question_reads_what_has_no_end(tmp_path: Path) -> None:
    """A pipe, a link to an endless device, a folder, a device, a file that is too large."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "endless").symlink_to("/dev/zero")
    (tmp_path / "folder").mkdir()
    with (tmp_path / "large").open("wb") as large:
        large.truncate(LARGEST + 1)
    paths = (
        *(str(tmp_path / name) for name in ("pipe", "endless", "folder", "large")),
        "/dev/zero",
    )
    found = local.ask_here(FileStates(paths))
    assert {path: state.kind for path, state in found.items()} == dict(
        zip(
            paths,
            ("named pipe", "symbolic link", "directory", "regular file", "character device"),
            strict=True,
        )
    )
    assert [state.sha256 for state in found.values() if state.sha256] == []
    for path in paths:
        assert not is_right(File(path, ""), found[path])
    assert local.ask_here(FileContents(paths)).keys() == {str(tmp_path / "large")}


def test_a_links_target_can_not_pass_for_another_answer(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    forged = f"a\nf|644|root|root|{tmp_path}/x\n{hashlib.sha256().hexdigest()}  {tmp_path}/x"
    (tmp_path / "link").symlink_to(forged)
    found = local.ask_here(FileStates((str(tmp_path / "link"), str(tmp_path / "x"))))
    assert found[f"{tmp_path}/x"].kind == "directory"
    assert found[f"{tmp_path}/link"].target == ""


def test_a_difference_follows_no_link(tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret/x").write_text("only root's\n")
    (tmp_path / "theirs").symlink_to("secret")
    (tmp_path / "x").symlink_to("secret/x")
    (tmp_path / "plain 'x'").write_text("shown\n")
    paths = tuple(str(tmp_path / name) for name in ("theirs/x", "x", "plain 'x'", "missing"))
    assert local.ask_here(FileContents(paths)) == {paths[2]: "shown\n"}


def test_a_folder_of_the_system_lets_everybody_through(here: Here) -> None:
    folder = here.kept / "system"
    folder.mkdir()
    folder.chmod(0o750)
    assert here.put_right([Passable(str(folder))]) == (0, "")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o751
    assert here.put_right([Passable(str(folder))]) == (-1, "")
