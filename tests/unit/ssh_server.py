"""An ssh server within the test, and hosts as pyinfra holds them: what tunnels are tried on."""

import socket
import threading
from contextlib import suppress
from types import SimpleNamespace
from typing import Any, cast

import paramiko
from paramiko.common import (
    AUTH_SUCCESSFUL,
    OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED,
    OPEN_FAILED_CONNECT_FAILED,
    OPEN_SUCCEEDED,
)
from pyinfra.api.host import Host
from pyinfra.connectors.local import LocalConnector
from pyinfra.connectors.ssh import SSHConnector
from pyinfra.connectors.sshuserclient.client import SSHClient

GEVENT = "from gevent import monkey; monkey.patch_all(); import sys, pytest; sys.exit(pytest.main("
"""Python that runs tests as pyinfra runs its operations: threads are greenlets."""


class ForwardingServer(paramiko.ServerInterface):
    """An ssh server that does nothing but open connections for its client."""

    def __init__(self, forbidden: bool = False):
        self.forbidden = forbidden
        self.targets: dict[int, socket.socket] = {}

    def check_auth_password(self, username: str, password: str) -> int:
        return AUTH_SUCCESSFUL

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
        if channel is not None:
            target = server.targets[channel.get_id()]
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
