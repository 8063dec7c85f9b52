"""The host's own lock, by the real shell: one at a time, named, and gone with its holder."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pyinfra.api import Host

from mattermost_host.engine import host_lock, remote
from mattermost_host.ops import files
from mattermost_host.ops.entries import File
from tests.unit import local
from tests.unit.fake_host import apply, plan
from tests.unit.ssh_server import this_machine


@contextmanager
def _run(folder: Path, holder: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A run on the host, and the first thing it is told."""
    script = local.moved(
        host_lock.script(holder),
        {
            host_lock.LOCK: folder / "lock",
            host_lock.PROGRAM_LOCK: folder / "program",
            "-w 10": "-w 0",
        },
    )
    pipe = subprocess.PIPE
    with subprocess.Popen(["sh", "-c", script], stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdin
        assert process.stdout
        yield process, process.stdout.readline().strip()
        process.stdin.close()


def test_the_second_is_told_of_the_first(tmp_path: Path) -> None:
    with _run(tmp_path, "process 1 of ann@laptop") as (_, first):
        assert first == host_lock.HELD
        with _run(tmp_path, "process 2 of bob@desk") as (_, second):
            assert second == "taken by process 1 of ann@laptop"
    with _run(tmp_path, "process 3 of bob@desk") as (_, third):
        assert third == host_lock.HELD


def test_a_lock_ends_with_the_connection_of_its_holder(tmp_path: Path) -> None:
    with _run(tmp_path, "process 1 of ann@laptop") as (killed, _):
        killed.kill()
        killed.wait()
        with _run(tmp_path, "process 2 of bob@desk") as (_, said):
            assert said == host_lock.HELD


def test_a_program_that_outlives_its_run_keeps_others_out(tmp_path: Path) -> None:
    program = tmp_path / "program"
    hold = f"exec 8>>{program}; flock -n 8; echo an upgrade >{program}; echo held; exec cat"
    pipe = subprocess.PIPE
    with subprocess.Popen(["sh", "-c", hold], stdin=pipe, stdout=pipe, text=True) as working:
        assert working.stdin
        assert working.stdout
        assert working.stdout.readline() == "held\n"
        with _run(tmp_path, "process 1 of ann@laptop") as (_, said):
            assert said == "taken by an upgrade"
        working.stdin.close()
    with _run(tmp_path, "process 1 of ann@laptop") as (_, said):
        assert said == host_lock.HELD


def test_only_root_can_open_it_and_so_hold_it(tmp_path: Path) -> None:
    assert host_lock.LOCK.count("/") == 2, "in a folder where only root makes files"
    with _run(tmp_path, "process 1"):
        assert (tmp_path / "lock").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("says", "reason"),
    [
        ("echo held", None),
        ("echo taken by process 1", "is being changed by process 1; wait until that run has ended"),
        ("echo taken by", "is being changed by another run; wait until that run has ended"),
        ("echo sudo: no >&2; exit 1", "can't be locked for this run: sudo: no"),
        ("exit 1", "can't be locked for this run: no answer as root"),
    ],
)
def test_what_a_run_makes_of_it(
    monkeypatch: pytest.MonkeyPatch, says: str, reason: str | None
) -> None:
    monkeypatch.setattr(host_lock, "script", lambda holder: says)
    with this_machine() as host:
        assert host_lock.take(host) == reason
        assert (host in host_lock._held) == (reason is None)


def test_it_is_taken_once_a_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    monkeypatch.setattr(host_lock, "script", lambda holder: f"echo x >>{taken}; echo held")
    with this_machine() as host:
        assert (host_lock.take(host), host_lock.take(host)) == (None, None)
    assert taken.read_text() == "x\n"


def test_the_next_run_of_one_command_can_take_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A restore has several, and between them a program on the host that takes it, too."""
    real = host_lock.script
    own = {host_lock.LOCK: tmp_path / "lock", "-w 10": "-w 1"}
    monkeypatch.setattr(host_lock, "script", lambda holder: local.moved(real(holder), own))
    with this_machine() as first, this_machine() as second:
        assert host_lock.take(first) is None
        assert "is being changed by" in str(host_lock.take(second))
        host_lock.let_go(first)
        host_lock.let_go(first)
        assert host_lock.take(second) is None
        host_lock.let_go(second)


def test_neither_arguments_nor_the_holder_s_line_tell_what_was_typed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """They would stand in sudo's journal, and in the lock file."""
    monkeypatch.setattr("sys.argv", ["/bin/pyinfra", "i.py", "--ssh-password", "Secret1", "x"])
    seen: list[str] = []

    def begun(_: Host, command: str, lasting: bool) -> "_Deaf":
        seen.append(command)
        return _Deaf(seen)

    monkeypatch.setattr(remote, "_begun", begun)
    with this_machine() as host:
        host_lock.take(host)
    command, script = seen
    assert "Secret1" not in command + script
    assert "pyinfra" not in command and "pyinfra" in script


class _Deaf:
    """Keeps what it is sent, and says nothing."""

    def __init__(self, seen: list[str]) -> None:
        self.seen = seen

    def send(self, data: bytes) -> None:
        self.seen.append(data.decode())

    def read(self) -> bytes:
        return b""

    def errors(self) -> str:
        return ""

    def end_input(self) -> None:
        """Nothing was waiting."""


def _change() -> None:
    files.present(name="it is there", entries=[File("/etc/x", "x")])


def test_nothing_is_changed_on_a_host_that_another_run_changes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(host_lock, "take", lambda _: "is being changed by process 1")
    (step,) = [one for one in apply(_change).steps if one.commands]
    assert step.commands == ["echo '@fake/host is being changed by process 1' >&2; exit 1"]


def test_the_lock_is_taken_before_the_first_change(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[str] = []
    monkeypatch.setattr(host_lock, "take", lambda host: taken.append(host.name))
    plan(_change)
    assert taken == [], "a plan changes nothing"
    assert apply(_change).changed
    assert taken == ["@fake/host"]
