"""Three things that pyinfra does slowly, made quick. config.py asks for it.

Where an operation stands: pyinfra orders operations by the lines that called them, and finds those
with ``inspect.stack()``, which reads the source of some twenty frames from disk: 3.5 ms an
operation on each host, for thirty hosts half of the control machine's time. The frames themselves
know their lines.

Small packets: paramiko lets the kernel hold them back until the last one is acknowledged, which a
host does after 40 ms: 45 ms of each connection and 40 of each command were measured.

Compiled modules: pyinfra keeps Python from writing any, for its own deploy files' sake, so ours
would be compiled at every run.
"""

import os
import socket
import sys
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import Any

import pyinfra
from paramiko import Transport
from pyinfra.api import util
from pyinfra.api.state import State
from pyinfra.connectors.ssh import SSHConnector

_paramiko_kwargs = SSHConnector.make_paramiko_kwargs


def quicken() -> None:
    """Let pyinfra use what stands below. Twice is as good as once."""
    # What root compiles in a folder of somebody else's, that person could not replace.
    ours = Path(__file__).stat().st_uid == os.geteuid()
    sys.dont_write_bytecode = bool(sys.flags.dont_write_bytecode) or not ours
    # The module has the name of the decorator that pyinfra.api exports.
    operation: Any = import_module("pyinfra.api.operation")
    operation.get_operation_order_from_stack = from_frames
    SSHConnector.make_paramiko_kwargs = _kwargs_at_once  # type: ignore[method-assign, assignment]


def _kwargs_at_once(connector: SSHConnector) -> dict[str, Any]:
    return {"transport_factory": _transport_at_once, **_paramiko_kwargs(connector)}


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
