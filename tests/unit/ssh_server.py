"""An ssh server within the test, and hosts as pyinfra holds them: what tunnels are tried on."""

import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import SimpleNamespace
from typing import Any, cast

import paramiko
import pytest
from paramiko.common import (
    AUTH_FAILED,
    AUTH_SUCCESSFUL,
    OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED,
    OPEN_FAILED_CONNECT_FAILED,
    OPEN_SUCCEEDED,
)
from pyinfra.api import Config, Host, Inventory, State
from pyinfra.connectors import local, ssh, util
from pyinfra.connectors.local import LocalConnector
from pyinfra.connectors.ssh import SSHConnector
from pyinfra.connectors.sshuserclient.client import SSHClient

from mattermost_host.engine import pyinfra_patches

GEVENT = "from gevent import monkey; monkey.patch_all(); import sys, pytest; sys.exit(pytest.main("
"""Python that runs tests as pyinfra runs its operations: threads are greenlets."""


class ForwardingServer(paramiko.ServerInterface):
    """An ssh server that does nothing but open connections for its client."""

    def __init__(self, forbidden: bool = False):
        self.forbidden = forbidden
        self.targets: dict[int, socket.socket] = {}

    def check_auth_password(self, username: str, password: str) -> int:
        return AUTH_SUCCESSFUL

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        return AUTH_SUCCESSFUL

    def get_allowed_auths(self, username: str) -> str:
        return "publickey,password"

    def check_channel_direct_tcpip_request(
        self, chanid: int, origin: tuple[str, int], destination: tuple[str, int]
    ) -> int:
        if self.forbidden:
            return OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED
        try:
            self.targets[chanid] = socket.create_connection(destination, 5)
        except OSError:
            return OPEN_FAILED_CONNECT_FAILED
        return OPEN_SUCCEEDED


def _relay(read: Any, write: Any, finish: Any) -> None:
    with suppress(OSError):
        while data := read(4096):
            write(data)
    finish()


def _forward(transport: paramiko.Transport, server: ForwardingServer) -> None:
    while transport.is_active():
        channel = transport.accept(0.2)
        target = server.targets.get(channel.get_id()) if channel is not None else None
        if channel is not None and target is not None:
            for relay in (
                (channel.recv, target.sendall, lambda target=target: _shut(target)),
                (target.recv, channel.sendall, channel.close),
            ):
                threading.Thread(target=_relay, args=relay, daemon=True).start()


def _shut(target: socket.socket) -> None:
    with suppress(OSError):
        target.shutdown(socket.SHUT_RDWR)


class SshSite:
    """A host that pyinfra would reach by ssh: what ``connection_from`` asks of it."""

    def __init__(self, server: ForwardingServer):
        here, there = socket.socketpair()
        self.server_transport = paramiko.Transport(there)
        self.server_transport.add_server_key(paramiko.RSAKey.generate(2048))
        self.server_transport.start_server(event=threading.Event(), server=server)
        self.client = SSHClient()
        self.client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
        paramiko.SSHClient.connect(
            self.client,
            "host",
            username="root",
            password="any",
            sock=here,
            allow_agent=False,
            look_for_keys=False,
        )
        threading.Thread(target=_forward, args=(self.server_transport, server), daemon=True).start()
        connector = SSHConnector.__new__(SSHConnector)
        connector.client = self.client
        self.host = cast(Host, SimpleNamespace(name="app1", connector=connector))

    def close(self) -> None:
        self.client.close()
        self.server_transport.close()


def local_host() -> Host:
    """This machine, as pyinfra's @local."""
    connector = LocalConnector.__new__(LocalConnector)
    return cast(Host, SimpleNamespace(name="@local", connector=connector))


@contextmanager
def this_machine(**data: Any) -> Iterator[Host]:
    """This machine as a run of pyinfra has it, without becoming root unless ``data`` says so."""
    names = ["@local"]
    inventory = Inventory((names, {}), override_data={"_sudo": False, **data})  # type: ignore[no-untyped-call]
    State(inventory, Config())  # type: ignore[no-untyped-call]
    (host,) = inventory
    yield host


def become_root_our_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands go to hosts as config.py makes pyinfra send them; for one test."""
    for module, kind in ((ssh, SSHConnector), (local, LocalConnector)):
        for name in ("make_unix_command_for_host", "execute_command_with_sudo_retry"):
            monkeypatch.setattr(module, name, getattr(module, name))
        monkeypatch.setattr(kind, "run_shell_command", kind.run_shell_command)
    for module in (ssh, util):
        monkeypatch.setattr(module, "write_stdin", util.write_stdin)
    pyinfra_patches._become_root_our_way()


class ExecServer(ForwardingServer):
    """An ssh server that lets one user in by a password, and runs commands here.

    ``shell`` is the login shell, which prints ``greeting`` before all else.
    """

    most_sessions = 10
    """Of one connection at the same time."""

    def __init__(self, user: str, password: str, shell: str = "sh", greeting: str = ""):
        super().__init__()
        self.user, self.password = user, password
        self.shell, self.greeting = shell, greeting
        self.commands: list[str] = []

    def get_allowed_auths(self, username: str) -> str:
        return "password"

    def check_auth_password(self, username: str, password: str) -> int:
        right = (username, password) == (self.user, self.password)
        return AUTH_SUCCESSFUL if right else AUTH_FAILED

    def check_channel_request(self, kind: str, chanid: int) -> int:
        connection: Any = threading.current_thread()
        free = len(connection._channels) < self.most_sessions
        return OPEN_SUCCEEDED if free else OPEN_FAILED_CONNECT_FAILED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        self.commands.append(command.decode())
        threading.Thread(target=self._execute, args=(channel, command), daemon=True).start()
        return True

    def _execute(self, channel: paramiko.Channel, command: bytes) -> None:
        pipe = subprocess.PIPE
        channel.sendall(self.greeting.encode())
        words = [self.shell, "-c", command.decode()]
        with subprocess.Popen(words, stdin=pipe, stdout=pipe, stderr=pipe) as process:
            assert process.stdin and process.stdout and process.stderr
            stdin, stdout, stderr = process.stdin, process.stdout, process.stderr
            threading.Thread(
                target=_relay, args=(channel.recv, _flushing(stdin), stdin.close), daemon=True
            ).start()
            _relay(stdout.read1, channel.sendall, lambda: None)  # type: ignore[attr-defined]
            channel.sendall_stderr(stderr.read())
            process.wait()
        channel.send_exit_status(process.returncode)
        channel.close()


def _flushing(stream: Any) -> Any:
    def write(data: bytes) -> None:
        stream.write(data)
        stream.flush()

    return write


@contextmanager
def listening(server: paramiko.ServerInterface) -> Iterator[int]:
    """The port of ``server``, which anybody on this machine may connect to."""
    key = paramiko.RSAKey.generate(2048)
    open_: list[paramiko.Transport] = []

    def serve(listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                line, _ = listener.accept()
                transport = paramiko.Transport(line)
                transport.add_server_key(key)
                transport.start_server(event=threading.Event(), server=server)
                open_.append(transport)
                if type(server) is ForwardingServer:
                    threading.Thread(target=_forward, args=(transport, server), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        yield int(listener.getsockname()[1])
        for transport in open_:
            transport.close()
