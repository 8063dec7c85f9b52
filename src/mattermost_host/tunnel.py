"""TCP connections from a host's point of view: through its ssh connection, or from this machine."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import paramiko
from pyinfra.api import Host
from pyinfra.connectors.local import LocalConnector
from pyinfra.connectors.ssh import SSHConnector

TIMEOUT_S = 10
CHUNK = 65536
FORBIDDEN = 1
"""Reason code of RFC 4254, 5.1: administratively prohibited."""


class TunnelError(Exception):
    """The connection did not come about; the text says why, as the end of a sentence."""


@contextmanager
def connection_from(host: Host, address: str, port: int) -> Iterator[socket.socket]:
    """A real socket to ``address:port`` as ``host`` reaches it. Raises TunnelError.

    "Real" because TLS needs one: what comes over ssh is passed on to one end of a socket pair.
    """
    with _open(host, address, port) as connection:
        connection.settimeout(TIMEOUT_S)
        yield connection


def _open(host: Host, address: str, port: int) -> "contextmanager[socket.socket]":  # type: ignore[type-arg]
    raise NotImplementedError
