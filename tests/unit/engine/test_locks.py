"""One run at a time: the second is refused by name, and a dead run's lock is nobody's."""

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
