"""One run that changes a site at a time, on this machine; `ops/host_lock.py` is for several.

The kernel lets go of the lock of a process that died.
"""

import fcntl
import getpass
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO

from mattermost_host.support.errors import OperatorError


def lock_path(inventory: Path) -> Path:
    """``NAME.lock`` beside the inventory ``NAME.py``."""
    return inventory.with_suffix(".lock")


def take(inventory: Path) -> IO[str]:
    """Lock the site until the stream is closed or this process ends, however it ends.

    Raises OperatorError that names the run which holds it.
    """
    path = lock_path(inventory)
    try:
        stream = path.open("a+", encoding="utf-8")
    except OSError as error:
        raise OperatorError(
            f"{path} can't be written ({error.strerror}); a run needs it to keep a second one out"
        ) from error
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        stream.seek(0)
        holder = stream.read().strip() or "another run"
        stream.close()
        raise OperatorError(
            f"{inventory} is being deployed by {holder}; wait until that run has ended"
        ) from None
    stream.truncate(0)
    stream.write(this_run())
    stream.flush()
    return stream


@contextmanager
def held(inventory: Path) -> Iterator[None]:
    """Hold the site's lock for the time of a block. Raises OperatorError as ``take`` does."""
    with take(inventory):
        yield


def this_run() -> str:
    """Who we are, for those who are refused because of us: a line."""
    command = " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])
    since = datetime.now().astimezone().isoformat(timespec="seconds")
    user = f"{getpass.getuser()}@{socket.gethostname()}"
    return f"process {os.getpid()} of {user}, since {since}: {command}\n"
