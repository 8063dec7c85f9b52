"""Whatever the login shell is and prints, commands arrive and only their own output comes back."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pyinfra.api import Host, StringCommand
from pyinfra.connectors import util as processes
from pyinfra.connectors.ssh import SSHConnector

from mattermost_host.engine import each_host, host_lock, pyinfra_patches, remote
from mattermost_host.engine.batch import Question
from mattermost_host.engine.connections import all_hosts, connections
from mattermost_host.engine.inventory import SiteHost
from mattermost_host.engine.questions import answers_of
from mattermost_host.ops.entries import FileStates
from tests.unit import local
from tests.unit.ssh_server import ExecServer, become_root_our_way, listening

SHELLS = ("sh", "bash", "tcsh", "fish")
GREETING = "Welcome!\nIt is you again, "
ODD = """printf '%s\\n' 'a!b' "$X" 'it'\\''s' '\\\\'; cat
for one in 1 2; do
  echo $one
done"""
"""What each of these shells would read in its own way."""
PRINTS = ["a!b", "x", "it's", "\\\\", "sent", "1", "2"]


@contextmanager
def connected(server: ExecServer, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    """A host behind ``server``, and pyinfra as config.py makes it."""
    become_root_our_way(monkeypatch)
    monkeypatch.setattr(SSHConnector, "make_paramiko_kwargs", pyinfra_patches._kwargs_at_once)
    (folder / "config.py").touch()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HOME", str(folder))
    data = {
        "ssh_hostname": "127.0.0.1",
        "ssh_user": "admin",
        "ssh_password": "secret",
        "ssh_known_hosts_file": str(folder / "known_hosts"),
        "_sudo": False,
    }
    with listening(server) as port:
        site = [SiteHost("mm", ("app",), {**data, "ssh_port": port})]
        with connections(site) as state:
            (made,) = all_hosts(state)
            assert each_host.connect(made) is None
            yield made


@pytest.fixture(params=SHELLS)
def host(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Host]:
    """A connected host with this login shell."""
    if not shutil.which(request.param):
        pytest.skip(f"{request.param} is not installed on this machine")
    server = ExecServer("admin", "secret", request.param, GREETING)
    with connected(server, tmp_path, monkeypatch) as made:
        yield made


def test_operations_arrive_and_only_they_are_heard(host: Host) -> None:
    worked, said = host.run_shell_command(StringCommand(ODD), _stdin=["sent"], _env={"X": "x"})
    assert (worked, said.stdout_lines) == (True, PRINTS), said.output


def test_questions_are_answered(host: Host) -> None:
    asked: Question[dict[str, object]] = FileStates(("/etc/passwd",))  # type: ignore[assignment]
    assert list(answers_of(host, [asked])[asked]) == ["/etc/passwd"]


def _send(send: remote.Send) -> None:
    send(b"sent\n")


def test_scripts_and_uploads(host: Host) -> None:
    answer = remote.run(host, f"X=x\n{ODD}", _send)
    assert (answer.output.decode().splitlines(), answer.errors) == (PRINTS, "")


def test_the_lock_of_the_host(host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_lock, "LOCK", str(tmp_path / "lock"))
    assert host_lock.take(host) is None
    assert "process" in (tmp_path / "lock").read_text()


def test_one_session_for_each_connection_is_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MaxSessions 1: the lock lasts as long as the run, so it gets a connection of its own."""
    monkeypatch.setattr(host_lock, "LOCK", str(tmp_path / "lock"))
    server = ExecServer("admin", "secret")
    server.most_sessions = 1
    with connected(server, tmp_path, monkeypatch) as host:
        assert host_lock.take(host) is None
        for number in range(10):
            worked, said = host.run_shell_command(StringCommand(f"echo {number}"))
            assert (worked, said.stdout_lines) == (True, [str(number)])
        held = local.run(f"flock -n {tmp_path}/lock true").returncode
        assert held != 0


def test_output_in_another_encoding_is_read_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "read_buffer", pyinfra_patches._read_and_show)
    script = r"printf 'na\303\257ve\nna\357ve\nlast\n'; printf 'Gr\374\337e\n' >&2"
    with connected(ExecServer("admin", "secret"), tmp_path, monkeypatch) as host:
        worked, said = host.run_shell_command(StringCommand(script))
    assert worked
    assert said.stdout_lines == ["na\u00efve", "na\ufffdve", "last"]
    assert said.stderr_lines == ["Gr\ufffd\ufffde"]
