"""Patches of pyinfra: faster where it is slow, and passwords hidden. config.py applies them.

Order of operations: pyinfra orders operations by the lines that called them, and finds those with
``inspect.stack()``, which reads the source of some twenty frames from disk. That takes 3.5 ms for
an operation on each host, half of the control machine's time with thirty hosts. The frames
themselves have the line numbers.

Global arguments: pyinfra_arguments.py. Hosts that are left out: pyinfra_limit.py.

Lost hosts: a connection on which nothing is sent never learns that its host has no power.

Small packets: without TCP_NODELAY the kernel holds them back until the last one is acknowledged,
which a host does after 40 ms. Measured: 45 ms of each connection and 40 ms of each command.

Compiled modules: pyinfra keeps Python from writing .pyc files, because of its deploy files, so ours
would be compiled in every run.

Sessions: a connection that allows one session at a time gets the next one after the last has ended.

Commands: pyinfra puts them on a command line, which each login shell (tcsh, fish) parses in its own
way, together with the passwords of sudo and su, which every user of the host can read meanwhile.
Here both are sent on standard input (shell.py, root.py), and what the login shell itself prints is
dropped. pyinfra also prompts for a password of sudo if nobody is there to type one.

Progress: pyinfra shows a command's output when it has ended, or all of it. A command that waits for
something else on the host prints a line that is shown at once.
"""

import logging
import os
import socket
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from getpass import getpass
from hmac import compare_digest
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import Any

import click
import pyinfra
from gevent import get_hub
from paramiko import Channel, ChannelException, Transport
from paramiko import util as paramiko_util
from pyinfra.api import Host, QuoteString, StringCommand, util
from pyinfra.api.arguments import auth_argument_meta
from pyinfra.api.state import State
from pyinfra.connectors import local, ssh
from pyinfra.connectors import util as processes
from pyinfra.connectors.base import BaseConnector
from pyinfra.connectors.local import LocalConnector
from pyinfra.connectors.ssh import SSHConnector
from pyinfra.connectors.util import (
    SUDO_PASSWORD_REQUIRED_LINES,
    CommandOutput,
    make_unix_command,
    write_stdin,
)

from mattermost_host.engine import (
    host_keys,
    pyinfra_arguments,
    pyinfra_limit,
    root,
    shell,
    unreachable,
)
from mattermost_host.support.errors import OperatorError

Outcome = tuple[bool, CommandOutput]
PATIENCE, PAUSE_S = 20, 0.05
IN_SHELL = ("_env", "_chdir")
"""Arguments of pyinfra that become a part of the script."""

_read_buffer = processes.read_buffer
_paramiko_kwargs = SSHConnector.make_paramiko_kwargs
_RUN: dict[type[BaseConnector], Callable[..., Outcome]] = {
    SSHConnector: SSHConnector.run_shell_command,
    LocalConnector: LocalConnector.run_shell_command,
}


def quicken() -> None:
    """Apply all patches of this module to pyinfra. May be called repeatedly."""
    # The owner of the code could not replace .pyc files that root wrote there.
    ours = Path(__file__).stat().st_uid == os.geteuid()
    sys.dont_write_bytecode = bool(sys.flags.dont_write_bytecode) or not ours
    # The module has the name of the decorator that pyinfra.api exports.
    operation: Any = import_module("pyinfra.api.operation")
    operation.get_operation_order_from_stack = from_frames
    pyinfra_arguments.quicken()
    # paramiko compares each packet byte by byte in Python; this is C, in constant time as well.
    paramiko_util.constant_time_bytes_eq = compare_digest  # type: ignore[assignment]
    SSHConnector.make_paramiko_kwargs = _kwargs_at_once  # type: ignore[method-assign, assignment]
    _become_root_our_way()
    processes.read_buffer = _read_and_show
    host_keys.say_what_is_trusted()
    unreachable.say_why()
    pyinfra_limit.say_who_is_left_out()
    # A sentence for the operator is shown at the end of the run; gevent would print a traceback.
    hub = get_hub()
    hub.NOT_ERROR = (*{*hub.NOT_ERROR, OperatorError},)
    # Errors of paramiko are reported as sentences; its logger would print tracebacks, too.
    logging.getLogger("paramiko").addHandler(logging.NullHandler())


def _become_root_our_way() -> None:
    for user in (ssh, processes):
        user.write_stdin = _write_what_is_read  # type: ignore[attr-defined]
    for module, kind in ((ssh, SSHConnector), (local, LocalConnector)):
        module.make_unix_command_for_host = _as_another_user  # type: ignore[attr-defined]
        module.execute_command_with_sudo_retry = _once  # type: ignore[attr-defined]
        kind.run_shell_command = _by_standard_input(_RUN[kind])  # type: ignore[method-assign]


def _write_what_is_read(stdin: Any, buffer: Any) -> None:
    """Ignore a closed pipe: a command that ends early, as sudo may, reports the reason itself."""
    with suppress(OSError):
        write_stdin(stdin, buffer)  # type: ignore[no-untyped-call]


def _as_another_user(
    state: State, host: Host, command: StringCommand, **arguments: Any
) -> StringCommand:
    users = {key: value for key, value in arguments.items() if key in auth_argument_meta}
    return root.command(host, command, users)


def _once(host: Host, arguments: Any, execute: Callable[[], Outcome]) -> Outcome:
    return execute()


def _by_standard_input(plain: Callable[..., Outcome]) -> Callable[..., Outcome]:
    """Run a command by a connector's own method; password, script and data go to its stdin."""

    def run(connector: BaseConnector, command: StringCommand, **arguments: Any) -> Outcome:
        host = connector.host
        told = {key: arguments.pop(key) for key in IN_SHELL if key in arguments}
        script = make_unix_command(command, _shell_executable=None, **told).get_raw_value()
        text = shell.sent(script)
        words = StringCommand(*map(QuoteString, shell.taking(text)))
        data = [text.decode(), *_lines(arguments.pop("_stdin", None))]
        if arguments.pop("print_input", False):
            click.echo(f"{host.print_prefix}>>> {command}", err=True)

        def attempt() -> Outcome:
            password = root.password_lines(host, arguments)
            stdin = [*password.splitlines(), *data]
            return plain(connector, words, **arguments, _stdin=stdin)

        done = attempt()
        if not root.password(host, arguments) and _wants_password(done) and sys.stdin.isatty():
            prompt = f"{host.print_prefix}sudo password: "
            host.connector_data["prompted_sudo_password"] = getpass(prompt)
            done = attempt()
        return done[0], _without_greeting(done[1])

    return run


def _read_and_show(
    name: str,
    io: Iterable[str | bytes],
    output_queue: Any,
    print_output: bool = False,
    print_func: Callable[[str], str] = str,
) -> None:
    """pyinfra's read_buffer, which also shows lines of progress at once, and takes any bytes."""
    # paramiko decodes strictly: one line that is not UTF-8 would end the reading.
    channel = getattr(io, "channel", None)
    if channel is not None:
        io = channel.makefile("rb") if name == "stdout" else channel.makefile_stderr("rb")
    lines = _showing(io, print_func)
    _read_buffer(name, lines, output_queue, print_output=print_output, print_func=print_func)


def _showing(lines: Iterable[str | bytes], prefixed: Callable[[str], str]) -> Iterator[str]:
    for raw in lines:
        line = raw if isinstance(raw, str) else raw.decode(errors="replace")
        if line.startswith(shell.PROGRESS):
            line = line.removeprefix(shell.PROGRESS).rstrip("\n")
            click.echo(prefixed(line), err=True)
        else:
            yield line


def _lines(stdin: Any) -> list[Any]:
    """Standard input as pyinfra accepts it: lines, a string, or a file."""
    if hasattr(stdin, "readlines"):
        stdin = stdin.readlines()
    return list(stdin) if isinstance(stdin, list | tuple) else [stdin] if stdin else []


def _without_greeting(said: CommandOutput) -> CommandOutput:
    """The output of the command itself; all output if it did not get to run."""
    printed = [line.buffer_name == "stdout" for line in said.combined_lines]
    begun = [
        at
        for at, line in enumerate(said.combined_lines)
        if printed[at] and line.line == shell.BEGIN
    ]
    if not begun:
        return said
    kept = [line for at, line in enumerate(said.combined_lines) if at > begun[0] or not printed[at]]
    return CommandOutput(kept)


def _wants_password(done: Outcome) -> bool:
    worked, said = done
    lines = {line.strip() for line in said.output_lines}
    return not worked and bool(lines & set(SUDO_PASSWORD_REQUIRED_LINES))


class _Hidden(str):
    """A string that `pyinfra --debug` does not print."""

    def __repr__(self) -> str:
        return "'*MASKED*'"


def _kwargs_at_once(connector: SSHConnector) -> dict[str, Any]:
    told = unreachable.logging_in(lambda: _paramiko_kwargs(connector), connector.data["ssh_key"])
    host_keys.prepare(connector.data, told["hostname"], told.get("username"))
    if "password" in told:
        told["password"] = _Hidden(told["password"])
    return {"transport_factory": _transport_at_once, **told}


class _Patient(Transport):
    """Retries sessions: with MaxSessions 1, sshd refuses one until it has closed the last."""

    def open_session(self, *arguments: Any, **options: Any) -> Channel:
        """Open a session as paramiko does, with retries for a second."""
        for _ in range(PATIENCE):
            with suppress(ChannelException):
                return super().open_session(*arguments, **options)
            time.sleep(PAUSE_S)
        return super().open_session(*arguments, **options)


def _transport_at_once(line: Any, **options: Any) -> Transport:
    """paramiko's transport for a ``line``, which is a channel behind a jump host."""
    if isinstance(line, socket.socket):
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        unreachable.give_up_when_silent(line)
    return _Patient(line, **options)


def from_frames(state: State) -> list[int]:
    """The result of ``pyinfra.api.util.get_operation_order_from_stack`` (pyinfra 3.10).

    The line numbers from the first frame of the deploy file to the operation, without pyinfra's
    own.
    """
    frames = _frames(sys._getframe(1))
    deploy = state.current_deploy_filename
    begin = next(
        (at for at, frame in enumerate(frames) if deploy and _file(frame) == deploy),
        len(frames) if deploy else 0,
    )
    lines = [
        frame.f_lineno
        for frame in frames[begin:]
        if not _file(frame).startswith(util.PYINFRA_INSTALL_DIR)
    ]
    return [state.current_op_file_number, *lines] if pyinfra.is_cli else lines


def _frames(innermost: FrameType) -> list[FrameType]:
    """The frames of the stack, outermost first."""
    frames: list[FrameType] = []
    frame: FrameType | None = innermost
    while frame:
        frames.append(frame)
        frame = frame.f_back
    return frames[::-1]


def _file(frame: FrameType) -> str:
    return frame.f_code.co_filename
