"""One run at a time: the second is refused by name, and a dead run's lock is nobody's."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mattermost_host.engine import locks
from mattermost_host.support.errors import OperatorError

HOLD = """
import sys, time
from pathlib import Path
from mattermost_host.engine import locks
stream = locks.take(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "site.py")], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    assert process.stdout.readline() == "held\n"
    return process


def test_the_second_run_is_refused_and_told_of_the_first(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    with pytest.raises(OperatorError, match=f"deployed by process {holder.pid} of "):
        locks.take(tmp_path / "site.py")
    holder.kill()
    holder.wait()


def test_the_lock_of_a_dead_run_is_nobody_s(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    holder.kill()
    holder.wait()
    with locks.held(tmp_path / "site.py"):
        text = locks.lock_path(tmp_path / "site.py").read_text()
    assert str(holder.pid) not in text


def test_one_run_after_the_other(tmp_path: Path) -> None:
    for _ in range(2):
        with locks.held(tmp_path / "site.py"):
            pass


def test_another_site_is_free(tmp_path: Path) -> None:
    with locks.held(tmp_path / "one.py"), locks.held(tmp_path / "other.py"):
        pass


def test_a_folder_that_can_not_be_written_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="can't be written"):
        locks.take(tmp_path / "missing" / "site.py")


def test_it_is_the_caller_s_alone(tmp_path: Path) -> None:
    """Who can open a lock file can hold it, and stop every run."""
    path = locks.lock_path(tmp_path / "site.py")
    path.touch(0o666)
    with locks.held(tmp_path / "site.py"):
        assert path.stat().st_mode & 0o777 == 0o600


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    locks.lock_path(tmp_path / "site.py").symlink_to(victim)
    with pytest.raises(OperatorError, match=r"site\.lock can't be written \(a link\)"):
        locks.take(tmp_path / "site.py")
    assert victim.read_text() == "precious"


@pytest.mark.parametrize("kind", ["pipe", "hard link", "folder"])
def test_what_is_no_file_of_its_own_is_refused(tmp_path: Path, kind: str) -> None:
    path = locks.lock_path(tmp_path / "site.py")
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        (tmp_path / "victim").write_text("precious")
        path.hardlink_to(tmp_path / "victim")
    with pytest.raises(OperatorError, match=r"not a file of its own|Is a directory"):
        locks.take(tmp_path / "site.py")


@pytest.mark.usefixtures("in_the_open")
def test_a_folder_that_others_write_is_no_place_for_it(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    with pytest.raises(OperatorError, match=r"shared is writable by every user \(mode 1777\)"):
        locks.take(shared / "site.py")
    assert list(shared.iterdir()) == []


def test_what_was_typed_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    typed = ["/bin/pyinfra", "site.py", "--ssh-password", "Secret1", "--data", "x=Secret2"]
    monkeypatch.setattr(sys, "argv", typed)
    with locks.held(tmp_path / "site.py"):
        text = locks.lock_path(tmp_path / "site.py").read_text()
    assert text.endswith(": pyinfra\n")
    assert "Secret" not in text


def test_a_user_without_a_name_and_a_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 54321)
    for name in ("HOME", "USER", "LOGNAME"):
        monkeypatch.delenv(name, raising=False)
    assert "of the user with id 54321@" in locks.this_run()
