"""TCP connections as a host makes them: through its ssh connection, or from this machine."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from paramiko import ChannelException, SSHException, Transport
from pyinfra.api import Host
from pyinfra.connectors.local import LocalConnector
from pyinfra.connectors.ssh import SSHConnector

TIMEOUT_S = 10
CHUNK_BYTES = 65536
FORBIDDEN = 1
"""Reason code of RFC 4254, section 5.1."""


class TunnelError(Exception):
    """The connection failed; the text says why, as a clause of a sentence."""


class NotAsked(TunnelError):
    """There is no way to try: that says nothing of what would have answered."""


@contextmanager
def connection_from(host: Host, address: str, port: int) -> Iterator[socket.socket]:
    """A socket to ``address:port`` as ``host`` reaches it. Raises TunnelError."""
    connector = host.connector
    if isinstance(connector, SSHConnector):
        transport = connector.client.get_transport() if connector.client else None
        if transport is None:
            raise NotAsked("the ssh connection to the host is closed")
        with connection_through(transport, address, port) as connection:
            yield connection
    elif isinstance(connector, LocalConnector):
        try:
            connection = socket.create_connection((address, port), TIMEOUT_S)
        except OSError as error:
            raise TunnelError(f"it cannot be reached: {error.strerror or error}") from None
        with connection:
            yield connection
    else:
        raise NotAsked("only hosts reached by ssh, and this machine itself, can be asked")


@contextmanager
def connection_through(transport: Transport, address: str, port: int) -> Iterator[socket.socket]:
    """A socket to ``address:port`` as the far end of an ssh connection reaches it.

    It is one end of a socket pair, because TLS needs a real socket and an ssh channel is none;
    two threads (greenlets within pyinfra) pass on what comes.
    """
    try:
        channel = transport.open_channel(
            "direct-tcpip", (address, port), ("127.0.0.1", 0), timeout=TIMEOUT_S
        )
    except ChannelException as error:
        raise _refusal(error) from None
    except SSHException as error:
        if "Timeout" in str(error):
            raise TunnelError(f"no answer within {TIMEOUT_S} s") from None
        raise TunnelError(f"the ssh connection could not open a tunnel: {error}") from None
    near, far = socket.socketpair()
    near.settimeout(TIMEOUT_S)

    def end_far() -> None:
        # Only this direction: data sent into the closed channel is lost, as with TCP, and must not
        # hide the answer that came before.
        with suppress(OSError):
            far.shutdown(socket.SHUT_WR)

    outward = threading.Thread(target=_pump, args=(far.recv, channel.sendall, channel.close))
    inward = threading.Thread(target=_pump, args=(channel.recv, far.sendall, end_far))
    outward.start()
    inward.start()
    try:
        yield near
    finally:
        near.close()
        # A TLS socket may still hold the descriptor: shut it down to end the pumps.
        with suppress(OSError):
            far.shutdown(socket.SHUT_RDWR)
        outward.join(TIMEOUT_S)
        channel.close()  # if the far end accepts no more data, this ends the sending
        inward.join()
        far.close()


def _pump(
    receive: Callable[[int], bytes], send: Callable[[bytes], None], finish: Callable[[], None]
) -> None:
    """Copy data until either side ends; ``finish`` then ends the other direction."""
    with suppress(OSError, SSHException):
        while data := receive(CHUNK_BYTES):
            send(data)
    finish()


def _refusal(error: ChannelException) -> TunnelError:
    if error.code == FORBIDDEN:
        return NotAsked(
            "sshd on the host forbids forwarding (AllowTcpForwarding), so it cannot be asked"
        )
    return TunnelError("it cannot be reached from the host (refused, filtered, or no such name)")
