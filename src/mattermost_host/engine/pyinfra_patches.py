"""What pyinfra does slowly made quick, and its passwords hidden. config.py asks for it.

Where an operation stands: pyinfra orders operations by the lines that called them, and finds those
with ``inspect.stack()``, which reads the source of some twenty frames from disk: 3.5 ms an
operation on each host, for thirty hosts half of the control machine's time. The frames themselves
know their lines.

Small packets: paramiko lets the kernel hold them back until the last one is acknowledged, which a
host does after 40 ms: 45 ms of each connection and 40 of each command were measured.

Compiled modules: pyinfra keeps Python from writing any, for its own deploy files' sake, so ours
would be compiled at every run.

Passwords of sudo and su: pyinfra writes them into a command line, which every user of the host can
read while it runs; here they go by standard input (root.py). And it asks for a password that sudo
wants even where nobody is there to type one.
"""

import os
import socket
import sys
from collections.abc import Callable
from getpass import getpass
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import Any

import pyinfra
from paramiko import Transport
from pyinfra.api import Host, StringCommand, util
from pyinfra.api.arguments import auth_argument_meta
from pyinfra.api.state import State
from pyinfra.connectors import local, ssh
from pyinfra.connectors.base import BaseConnector
from pyinfra.connectors.local import LocalConnector
from pyinfra.connectors.ssh import SSHConnector
from pyinfra.connectors.util import (
    SUDO_PASSWORD_REQUIRED_LINES,
    CommandOutput,
    make_unix_command,
)

from mattermost_host.engine import host_keys, root

Outcome = tuple[bool, CommandOutput]

_paramiko_kwargs = SSHConnector.make_paramiko_kwargs
_RUN: dict[type[BaseConnector], Callable[..., Outcome]] = {
    SSHConnector: SSHConnector.run_shell_command,
    LocalConnector: LocalConnector.run_shell_command,
}


def quicken() -> None:
    """Let pyinfra use what stands below. Twice is as good as once."""
    # What root compiles in a folder of somebody else's, that person could not replace.
    ours = Path(__file__).stat().st_uid == os.geteuid()
    sys.dont_write_bytecode = bool(sys.flags.dont_write_bytecode) or not ours
    # The module has the name of the decorator that pyinfra.api exports.
    operation: Any = import_module("pyinfra.api.operation")
    operation.get_operation_order_from_stack = from_frames
    SSHConnector.make_paramiko_kwargs = _kwargs_at_once  # type: ignore[method-assign, assignment]
    _become_root_our_way()
    host_keys.say_what_is_trusted()


def _become_root_our_way() -> None:
    for module, kind in ((ssh, SSHConnector), (local, LocalConnector)):
        module.make_unix_command_for_host = _as_another_user  # type: ignore[attr-defined]
        module.execute_command_with_sudo_retry = _once  # type: ignore[attr-defined]
        kind.run_shell_command = _with_password(_RUN[kind])  # type: ignore[method-assign]


def _as_another_user(
    state: State, host: Host, command: StringCommand, **arguments: Any
) -> StringCommand:
    """The command as root's; arguments that say nothing of users are pyinfra's to add."""
    users = {key: arguments.pop(key) for key in auth_argument_meta if key in arguments}
    arguments["_shell_executable"] = arguments.get("_shell_executable") or "sh"
    return root.command(host, make_unix_command(command, **arguments), users)


def _once(host: Host, arguments: Any, execute: Callable[[], Outcome]) -> Outcome:
    return execute()


def _with_password(plain: Callable[..., Outcome]) -> Callable[..., Outcome]:
    """A connector's own way to run a command, with the password at the head of what it is sent."""

    def run(connector: BaseConnector, *shown: Any, **arguments: Any) -> Outcome:
        host = connector.host
        sent = _lines(arguments.get("_stdin"))
        told = root.password_lines(host, arguments)
        done = plain(connector, *shown, **_sending(arguments, [*told.splitlines(), *sent]))
        if not told and _wants_password(done) and sys.stdin.isatty():
            prompt = f"{host.print_prefix}sudo password: "
            host.connector_data["prompted_sudo_password"] = getpass(prompt)
            told = root.password_lines(host, arguments)
            done = plain(connector, *shown, **_sending(arguments, [*told.splitlines(), *sent]))
        return done

    return run


def _sending(arguments: dict[str, Any], lines: list[Any]) -> dict[str, Any]:
    return {**arguments, "_stdin": lines} if lines else arguments


def _lines(stdin: Any) -> list[Any]:
    """As pyinfra reads it: lines, or one text, or a file."""
    if hasattr(stdin, "readlines"):
        stdin = stdin.readlines()
    return list(stdin) if isinstance(stdin, list | tuple) else [stdin] if stdin else []


def _wants_password(done: tuple[Any, CommandOutput]) -> bool:
    worked, said = done
    lines = {line.strip() for line in said.output_lines}
    return not worked and bool(lines & set(SUDO_PASSWORD_REQUIRED_LINES))


class _Hidden(str):
    """A text that `pyinfra --debug` does not print."""

    def __repr__(self) -> str:
        return "'*MASKED*'"


def _kwargs_at_once(connector: SSHConnector) -> dict[str, Any]:
    told = _paramiko_kwargs(connector)
    host_keys.prepare(connector.data, told["hostname"], told.get("username"))
    if "password" in told:
        told["password"] = _Hidden(told["password"])
    return {"transport_factory": _transport_at_once, **told}


def _transport_at_once(line: Any, **options: Any) -> Transport:
    """paramiko's transport over a socket that sends at once; behind a jump host it is a channel."""
    if isinstance(line, socket.socket):
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return Transport(line, **options)


def from_frames(state: State) -> list[int]:
    """What ``pyinfra.api.util.get_operation_order_from_stack`` says (pyinfra 3.10).

    The lines from the first frame of the deploy file to the operation, without pyinfra's own.
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
    """The outermost first."""
    frames: list[FrameType] = []
    frame: FrameType | None = innermost
    while frame:
        frames.append(frame)
        frame = frame.f_back
    return frames[::-1]


def _file(frame: FrameType) -> str:
    return frame.f_code.co_filename
