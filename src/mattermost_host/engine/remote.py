"""Run a shell script as root on a host, outside of pyinfra's operations.

It is sent on standard input (see shell.py); what the login shell prints by itself is dropped.
"""

import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from paramiko import Channel, ChannelException, SSHException, Transport
from pyinfra.api import Host, QuoteString, StringCommand
from pyinfra.connectors.local import LocalConnector
from pyinfra.connectors.ssh import SSHConnector

from mattermost_host.engine import root, shell
from mattermost_host.support.errors import OperatorError

BEGIN = f"{shell.BEGIN}\n".encode()
CHUNK_BYTES = 65536
TIMEOUT_S = 600
"""Seconds without output after which a script is given up; a package index takes minutes."""

KEEPALIVE_S = 2
NO_STATUS = -1
"""What paramiko says of a command whose host did not tell how it ended."""

Send = Callable[[bytes], object]


@dataclass(frozen=True)
class Answer:
    """The output of a script and its exit status."""

    status: int
    output: bytes
    errors: str


class Running(Protocol):
    """A command that is running on a host."""

    def send(self, data: bytes) -> None:
        """Write to its standard input. Raises OSError if it has closed it."""

    def end_input(self) -> None:
        """Close its standard input."""

    def read(self) -> bytes:
        """Its next output; empty if it has ended."""

    def errors(self) -> str:
        """Its standard error; waits for its end."""

    def status(self) -> int:
        """Its exit status; waits for its end."""


class _OverSsh:
    def __init__(self, channel: Channel, command: str, own: SSHConnector | None = None) -> None:
        self._channel = channel
        self._own = own  # a connection of its own, closed together with the command
        channel.settimeout(TIMEOUT_S)
        channel.exec_command(command)

    def send(self, data: bytes) -> None:
        self._channel.sendall(data)

    def end_input(self) -> None:
        self._channel.shutdown_write()

    def read(self) -> bytes:
        return self._channel.recv(CHUNK_BYTES)

    def errors(self) -> str:
        said = b""
        while part := self._channel.recv_stderr(CHUNK_BYTES):
            said += part
        return said.decode(errors="replace").strip()

    def status(self) -> int:
        return self._channel.recv_exit_status()


class _Here:
    def __init__(self, command: str) -> None:
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(
            ["sh", "-c", command], stdin=pipe, stdout=pipe, stderr=pipe
        )

    def send(self, data: bytes) -> None:
        assert self._process.stdin
        self._process.stdin.write(data)
        self._process.stdin.flush()

    def end_input(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()

    def read(self) -> bytes:
        assert self._process.stdout
        return self._process.stdout.read1(CHUNK_BYTES)  # type: ignore[attr-defined,no-any-return]

    def errors(self) -> str:
        assert self._process.stderr
        return self._process.stderr.read().decode(errors="replace").strip()

    def status(self) -> int:
        return self._process.wait()


def start(host: Host, script: str, *, lasting: bool = False) -> Running | None:
    """Start ``script`` as root on a connected host; None if the connector can't do that.

    Its output begins after ``BEGIN``; what is sent after this call is its standard input.
    ``lasting``: other commands will run on the host before it ends.
    """
    arguments = root.arguments_of(host)
    text = shell.sent(script)
    words = StringCommand(*map(QuoteString, shell.taking(text)))
    running = _begun(host, root.command(host, words, arguments).get_raw_value(), lasting)
    if running:
        with suppress(OSError):  # it ended at once; its output has the reason
            running.send(root.password_lines(host, arguments).encode() + text)
    return running


def is_possible(host: Host) -> bool:
    """Whether scripts can be run over the kind of connection that this host has."""
    return isinstance(host.connector, SSHConnector | LocalConnector)


def _begun(host: Host, command: str, lasting: bool) -> Running | None:
    connector = host.connector
    if isinstance(connector, SSHConnector) and connector.client:
        if lasting and not _has_two_sessions(host, connector):
            own = SSHConnector(host.state, host)
            own.connect()
            transport = _transport(host, own)
            # A firewall that starts meanwhile drops the end of a connection that it did not see
            # begin.
            transport.set_keepalive(KEEPALIVE_S)
            return _OverSsh(transport.open_session(), command, own)
        return _OverSsh(_transport(host, connector).open_session(), command)
    return _Here(command) if isinstance(connector, LocalConnector) else None


def _transport(host: Host, connector: SSHConnector) -> Transport:
    transport = connector.client.get_transport() if connector.client else None
    if transport is None:
        raise OperatorError(f"the ssh connection to {host.name} is closed; try again")
    return transport


def _has_two_sessions(host: Host, connector: SSHConnector) -> bool:
    """Whether sshd lets one connection run two commands at once (MaxSessions)."""
    opened: list[Channel] = []
    try:
        for _ in range(2):
            opened.append(_transport(host, connector).open_session())
    except ChannelException:
        return False
    finally:
        for channel in opened:
            channel.close()
    return True


def run(
    host: Host,
    script: str,
    write: Callable[[Send], None] | None = None,
    say: Callable[[str], None] | None = None,
) -> Answer:
    """Run ``script`` as root on a connected host, to its end; ``write`` sends its standard input.

    ``say`` gets each line of output as it comes. Raises OperatorError where the connection breaks.
    """
    try:
        running = start(host, script)
        if running is None:
            raise OperatorError(f"{host.name} is reached neither by ssh nor is it this machine")
        # Read while writing: its output may otherwise fill the pipe and block it.
        writer = threading.Thread(target=_write, args=(running, write))
        writer.start()
        output = b"".join(_told(iter(running.read, b""), say))
        errors = running.errors()
        writer.join()
        status = running.status()
        if status == NO_STATUS:
            raise EOFError("the host did not say how the command ended")
    except (OSError, SSHException, EOFError) as error:
        why = str(error) or "the host did not answer"
        raise OperatorError(
            f"the connection to {host.name} broke off: {why}. If a program on the host was at "
            "work, it goes on without this machine: run the same command again, and it says where "
            "things stand"
        ) from None
    greeting, begun, answer = output.partition(BEGIN)
    if not begun:
        errors = f"{greeting.decode(errors='replace')}\n{errors}".strip()
    return Answer(status, answer, errors)


def _told(parts: Iterator[bytes], say: Callable[[str], None] | None) -> Iterator[bytes]:
    """``parts`` themselves, after ``say`` got the whole lines of the answer that end in them."""
    line, begun = b"", False
    for part in parts:
        *lines, line = (line + part).split(b"\n")
        for one in lines:
            if begun and say:
                say(one.decode(errors="replace"))
            begun = begun or one + b"\n" == BEGIN
        yield part


def _write(running: Running, write: Callable[[Send], None] | None) -> None:
    with suppress(
        OSError, SSHException
    ):  # it ended before it had read everything; its output has the reason
        if write:
            write(running.send)
    with suppress(OSError, SSHException):
        running.end_input()


def first_line(running: Running) -> str:
    """The first line that the script prints; empty if it ends without one."""
    said = b""
    while BEGIN not in said or b"\n" not in said.partition(BEGIN)[2]:
        part = running.read()
        if not part:
            return ""
        said += part
    return said.partition(BEGIN)[2].partition(b"\n")[0].decode(errors="replace").strip()
