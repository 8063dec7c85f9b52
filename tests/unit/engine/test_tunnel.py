"""Connections from a host's point of view, through a real ssh connection on loopback."""

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from pyinfra.api.host import Host

from mattermost_host.engine import tunnel
from mattermost_host.engine.tunnel import TunnelError, connection_from
from tests.unit.ssh_server import GEVENT, ExecServer, ForwardingServer, SshSite, local_host


@pytest.fixture
def ssh_host() -> Iterator[Host]:
    site = SshSite(ForwardingServer())
    yield site.host
    site.close()


@pytest.fixture(params=[True, False])
def shell_host(request: pytest.FixtureRequest) -> Iterator[Host]:
    """A host with a shell, whose sshd may forbid forwarding."""
    server = ExecServer("root", "any", greeting="Welcome.\n")
    server.forbidden = request.param
    site = SshSite(server)
    yield site.host
    site.close()


@pytest.fixture
def echo_port() -> Iterator[int]:
    """A server that sends back what it gets, and closes after an empty line."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_echo, args=(listener,), daemon=True).start()
        yield listener.getsockname()[1]


def _echo(listener: socket.socket) -> None:
    with suppress(OSError):
        while True:
            connection, _ = listener.accept()
            with connection:
                while (data := connection.recv(4096)) and data != b"\n":
                    connection.sendall(data)


def _exchange(host: Host, port: int) -> None:
    before = threading.active_count()
    with connection_from(host, "127.0.0.1", port) as connection:
        sent = bytes(range(256)) * 4096
        threading.Thread(target=connection.sendall, args=(sent,)).start()
        received = b""
        while len(received) < len(sent):
            received += connection.recv(65536)
        assert received == sent
        connection.sendall(b"\n")
        assert connection.recv(1) == b""
    assert threading.active_count() <= before + 2, "the pumps have ended"


def test_through_ssh(ssh_host: Host, echo_port: int) -> None:
    _exchange(ssh_host, echo_port)
    _exchange(ssh_host, echo_port)


def test_by_a_shell_where_sshd_forbids_forwarding(shell_host: Host, echo_port: int) -> None:
    _exchange(shell_host, echo_port)
    _exchange(shell_host, echo_port)


def test_the_shell_says_why_it_can_not(shell_host: Host, closed_port: int) -> None:
    for address, port, why in (
        ("127.0.0.1", closed_port, "from the host: Connection refused"),
        ("nowhere.invalid", 1, "from the host: (Name or service not known|Temporary failure)"),
    ):
        with pytest.raises(TunnelError, match=why), connection_from(shell_host, address, port):
            pass


def test_from_this_machine(echo_port: int) -> None:
    _exchange(local_host(), echo_port)


def test_leaving_early_ends_the_pumps(ssh_host: Host, echo_port: int) -> None:
    with connection_from(ssh_host, "127.0.0.1", echo_port):
        pumps = [one for one in threading.enumerate() if "_pump" in one.name]
        assert len(pumps) == 2
    assert not any(pump.is_alive() for pump in pumps)


@pytest.fixture
def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def test_nothing_listens(ssh_host: Host, closed_port: int) -> None:
    with (
        pytest.raises(TunnelError, match="cannot be reached from the host"),
        connection_from(ssh_host, "127.0.0.1", closed_port),
    ):
        pass
    with (
        pytest.raises(TunnelError, match="it cannot be reached: Connection refused"),
        connection_from(local_host(), "127.0.0.1", closed_port),
    ):
        pass


def test_forbidden_by_sshd(echo_port: int) -> None:
    site = SshSite(ForwardingServer(forbidden=True))
    with (
        pytest.raises(TunnelError, match="AllowTcpForwarding"),
        connection_from(site.host, "127.0.0.1", echo_port),
    ):
        pass
    site.close()


def test_what_answers_one_byte_at_a_time_is_ended(
    ssh_host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tunnel, "LONGEST_S", 0.5)
    for host in (ssh_host, local_host()):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            threading.Thread(target=_drip, args=(listener,), daemon=True).start()
            began = time.monotonic()
            with connection_from(host, "127.0.0.1", listener.getsockname()[1]) as connection:
                while connection.recv(1):
                    pass
            assert time.monotonic() - began < 5


def _drip(listener: socket.socket) -> None:
    connection, _ = listener.accept()
    with suppress(OSError):
        while True:
            connection.sendall(b".")
            time.sleep(0.05)


def test_other_connectors_say_so() -> None:
    host = cast(Host, SimpleNamespace(name="x", connector=object()))
    with (
        pytest.raises(TunnelError, match="only hosts reached by ssh"),
        connection_from(host, "127.0.0.1", 1),
    ):
        pass


def test_within_pyinfra_threads_are_greenlets() -> None:
    """pyinfra patches threads and sockets; the same must hold there."""
    chosen = f"[{str(Path(__file__))!r}, '-k', 'not greenlets']))"
    result = subprocess.run(
        [sys.executable, "-c", GEVENT + chosen],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert " passed" in result.stdout
