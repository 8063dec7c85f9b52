"""Who else could change what is about to be executed."""

import grp
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mattermost_host.support import trust
from mattermost_host.support.trust import mistrust, mistrust_tree


@pytest.fixture
def file(in_the_open: Path) -> Path:
    path = in_the_open / "folder" / "config.py"
    path.parent.mkdir(mode=0o755)
    path.touch(0o644)
    return path


def test_one_s_own_file_in_one_s_own_folder(file: Path) -> None:
    assert mistrust(file) == ""
    assert mistrust(file.with_name("missing.py")) == ""


@pytest.mark.parametrize(
    ("which", "mode", "reason"),
    [
        ("file", 0o666, "config.py is writable by every user (mode 666)"),
        ("file", 0o646, "config.py is writable by every user (mode 646)"),
        ("folder", 0o777, "folder is writable by every user (mode 777)"),
        ("folder", 0o1777, "folder is writable by every user (mode 1777)"),
        ("above", 0o777, "is writable by every user (mode 777)"),
        ("above", 0o1777, ""),
    ],
)
def test_what_others_may_write(file: Path, which: str, mode: int, reason: str) -> None:
    {"file": file, "folder": file.parent, "above": file.parent.parent}[which].chmod(mode)
    assert mistrust(file).endswith(reason)
    assert bool(mistrust(file)) == bool(reason)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
@pytest.mark.parametrize("which", ["file", "folder", "above"])
def test_what_belongs_to_somebody_else(file: Path, which: str) -> None:
    path = {"file": file, "folder": file.parent, "above": file.parent.parent}[which]
    os.chown(path, 54321, 54321)
    assert mistrust(file) == f"{path} belongs to the user with id 54321"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_group_with_other_members(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.chown(file, 0, 54321)
    file.chmod(0o664)
    monkeypatch.setattr(grp, "getgrgid", lambda _: _Group("ops", ["root"]))
    assert mistrust(file) == ""
    monkeypatch.setattr(grp, "getgrgid", lambda _: _Group("ops", ["root", "bob"]))
    assert mistrust(file) == f"{file} is writable by the group ops (mode 664)"


class _Group:
    def __init__(self, name: str, members: list[str]) -> None:
        self.gr_name, self.gr_mem = name, members


def test_both_ends_of_a_link_count(file: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.py"
    link.symlink_to(file)
    assert mistrust(link) == ""
    file.parent.chmod(0o777)
    assert "folder is writable by every user" in mistrust(link)
    file.parent.chmod(0o755)
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    (shared / "link.py").symlink_to(file)
    assert "shared is writable by every user" in mistrust(shared / "link.py")


@pytest.mark.parametrize("name", [".", "inner", "inner/code.py"])
@pytest.mark.parametrize("mode", [0o777, 0o1777])
def test_everything_in_a_folder_counts(in_the_open: Path, name: str, mode: int) -> None:
    top = in_the_open / "top"
    (top / "inner").mkdir(parents=True)
    (top / "inner/code.py").touch()
    assert mistrust_tree(top) == ""
    (top / name).chmod(mode)
    assert "is writable by every user" in mistrust_tree(top)


def test_where_a_link_in_a_folder_leads_to_counts(in_the_open: Path) -> None:
    for name in ("top", "elsewhere"):
        (in_the_open / name).mkdir()
    (in_the_open / "elsewhere/python").touch()
    (in_the_open / "top/python").symlink_to("../elsewhere/python")
    assert mistrust_tree(in_the_open / "top") == ""
    (in_the_open / "elsewhere").chmod(0o777)
    assert "elsewhere is writable" in mistrust_tree(in_the_open / "top")


def test_as_a_program_of_its_own(in_the_open: Path) -> None:
    argv = [sys.executable, "-I", trust.__file__, str(in_the_open)]
    assert subprocess.run(argv, check=False).returncode == 0
    (in_the_open / "code.py").touch()
    (in_the_open / "code.py").chmod(0o666)
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "code.py is writable by every user" in done.stderr


def test_what_nobody_else_can_get_at_is_safe_whatever_its_mode(file: Path) -> None:
    file.chmod(0o666)
    file.parent.parent.chmod(0o700)
    assert mistrust(file) == ""
    file.parent.parent.chmod(0o711)
    assert "every user (mode 666)" in mistrust(file)
