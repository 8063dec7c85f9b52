"""The entry point: gevent's patches and usable standard streams, before anything else."""

import os
import sys
from io import TextIOWrapper
from typing import Literal

from gevent import monkey


def main() -> None:
    """Run the command ``mattermost-host``."""
    # pyinfra's command does the same first. Done after another module has imported ssl's classes,
    # it breaks every HTTPS request of the process.
    monkey.patch_all()
    open_streams()
    # Some libraries use the streams while they are imported.
    from mattermost_host.cli.main import main as command  # noqa: PLC0415

    command()


def open_streams() -> None:
    """Open streams that the caller closed, and let all of them print any text in any locale."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass  # so that no file or connection gets descriptor 0, 1 or 2
    os.close(descriptor)
    sys.stdin = sys.stdin or _opened(0, "r")
    sys.stdout = sys.stdout or _opened(1, "w")
    sys.stderr = sys.stderr or _opened(2, "w")
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]


def _opened(descriptor: int, mode: Literal["r", "w"]) -> TextIOWrapper:
    return open(descriptor, mode, closefd=False, encoding="utf-8")
