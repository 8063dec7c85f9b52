"""Whether a process answers, told from a connection that is dropped on its way to it."""

import shlex
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from mattermost_host.ops import probe
from tests.unit import local


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A process that listens on loopback, and takes nobody."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as made:
        yield made


def _answers(port: int, programs: Path, curl: str) -> bool:
    local.program(programs, "curl", curl)
    return local.run(probe.asking(port), programs=programs).returncode == 0


DROPPED = "echo 0.000000; exit 28"


def _port(listener: socket.socket) -> int:
    return int(listener.getsockname()[1])


@pytest.mark.parametrize(
    ("curl", "answers"),
    [
        ("echo 0.000123", True),
        ("echo 0.000123; exit 28", False),
        ("echo 0.000123; exit 52", False),
        (DROPPED, True),
        ("echo 0.000; exit 28", True),
    ],
)
def test_what_is_dropped_on_the_way_is_no_silence(
    listener: socket.socket, tmp_path: Path, curl: str, answers: bool
) -> None:
    assert _answers(_port(listener), tmp_path / "programs", curl) is answers


def test_where_nobody_listens_nobody_answers(listener: socket.socket, tmp_path: Path) -> None:
    port = _port(listener)
    listener.close()
    assert not _answers(port, tmp_path / "programs", DROPPED)


def test_a_full_queue_is_one_of_a_process_that_hangs(
    listener: socket.socket, tmp_path: Path
) -> None:
    clients = [socket.create_connection(listener.getsockname()) for _ in range(20)]
    assert not _answers(_port(listener), tmp_path / "programs", DROPPED)
    for client in clients:
        client.close()


def test_a_real_request(listener: socket.socket) -> None:
    """The one that takes nobody is connected to, and is silent."""
    script = shlex.quote(probe.asking(_port(listener)))
    assert local.run(f"timeout 1 sh -c {script}").returncode == 124
