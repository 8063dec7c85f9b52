"""TCP connections as a host makes them: through its ssh connection, or from this machine."""

import shlex
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from paramiko import Channel, ChannelException, SSHException, Transport
from pyinfra.api import Host
from pyinfra.connectors.local import LocalConnector
from pyinfra.connectors.ssh import SSHConnector

TIMEOUT_S = 10
LONGEST_S = 30
"""For a whole connection: what answers may do so one byte at a time."""
CHUNK_BYTES = 65536
FORBIDDEN = 1
"""Reason code of RFC 4254, section 5.1."""
SILENT = f"no answer within {TIMEOUT_S} s"
UNREACHED = "it cannot be reached from the host"
UNREACHED_SOMEHOW = f"{UNREACHED} (refused, filtered, or no such name)"
NO_WAY = (
    "sshd on the host forbids forwarding (AllowTcpForwarding), and no bash there takes its place, "
    "so it cannot be asked"
)
READY = b"=mattermost-host-connected=\n"
RELAY = f"""exec 3<>"/dev/tcp/$1/$2" 4<&0 || exit 1
echo {READY.decode().strip()}
cat <&4 >&3 2>/dev/null &
cat <&3 2>/dev/null &
wait -n
kill $(jobs -p) 2>/dev/null
:"""
"""A program of bash that passes on what comes, until one side ends."""


class TunnelError(Exception):
    """The connection failed; the text says why, as a clause of a sentence."""


class _NoRelay(Exception):
    """The host has no shell that passes on what comes."""


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
        with connection_through(transport, address, port) as connection, _bounded(connection):
            yield connection
    elif isinstance(connector, LocalConnector):
        try:
            connection = socket.create_connection((address, port), TIMEOUT_S)
        except OSError as error:
            raise TunnelError(f"it cannot be reached: {error.strerror or error}") from None
        with connection, _bounded(connection):
            yield connection
    else:
        raise NotAsked("only hosts reached by ssh, and this machine itself, can be asked")


@contextmanager
def _bounded(connection: socket.socket) -> Iterator[None]:
    """End ``connection`` after ``LONGEST_S``."""
    twin = connection.dup()  # TLS takes the other one's descriptor

    def end() -> None:
        with suppress(OSError):
            twin.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(LONGEST_S, end)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        twin.close()


@contextmanager
def connection_through(transport: Transport, address: str, port: int) -> Iterator[socket.socket]:
    """A socket to ``address:port`` as the far end of an ssh connection reaches it.

    It is one end of a socket pair, because TLS needs a real socket and an ssh channel is none;
    two threads (greenlets within pyinfra) pass on what comes.
    """
    channel, begun = _channel(transport, address, port)
    near, far = socket.socketpair()
    near.settimeout(TIMEOUT_S)
    far.sendall(begun)

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


def _channel(transport: Transport, address: str, port: int) -> tuple[Channel, bytes]:
    """A channel to ``address:port``, and what has come from there already."""
    try:
        target = (address, port)
        return transport.open_channel(
            "direct-tcpip", target, ("127.0.0.1", 0), timeout=TIMEOUT_S
        ), b""
    except ChannelException as error:
        forbidden = error.code == FORBIDDEN
    except SSHException as error:
        if "Timeout" in str(error):
            raise TunnelError(SILENT) from None
        raise TunnelError(f"the ssh connection could not open a tunnel: {error}") from None
    try:
        return _relayed(transport, address, port)
    except _NoRelay:
        raise (NotAsked(NO_WAY) if forbidden else TunnelError(UNREACHED_SOMEHOW)) from None


def _relayed(transport: Transport, address: str, port: int) -> tuple[Channel, bytes]:
    """The same by a shell on the host, where sshd forbids tunnels, or does not say what failed."""
    words = ("env", "LC_ALL=C", "bash", "-c", RELAY, "bash", address, str(port))
    try:
        channel = transport.open_session(timeout=TIMEOUT_S)
        channel.settimeout(TIMEOUT_S)
        channel.exec_command(shlex.join(words))
        begun = _begun(channel)
    except TimeoutError:
        raise TunnelError(SILENT) from None
    except SSHException:
        raise _NoRelay from None
    channel.settimeout(None)
    return channel, begun


def _begun(channel: Channel) -> bytes:
    """What comes after the relay's word that it is connected."""
    said = b""
    while READY not in said:
        more = channel.recv(CHUNK_BYTES)
        if not more or len(said) > CHUNK_BYTES:
            errors = channel.makefile_stderr("rb").read(CHUNK_BYTES).decode(errors="replace")
            channel.close()
            # Of a host without bash it is another program that complains.
            why = [one for one in errors.splitlines() if one.startswith("bash: ")]
            raise TunnelError(f"{UNREACHED}: {why[0].rpartition(': ')[2]}") if why else _NoRelay
        said += more
    return said.partition(READY)[2]
