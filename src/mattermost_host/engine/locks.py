"""The lock of a site on this machine: one run at a time changes it. See also host_lock.py.

The kernel releases the lock of a process that died.
"""

import errno
import fcntl
import os
import socket
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO

from mattermost_host.support.errors import OperatorError
from mattermost_host.support.trust import mistrust, name_of


def lock_path(inventory: Path) -> Path:
    """``NAME.lock`` beside the inventory ``NAME.py``, with links resolved."""
    return inventory.resolve().with_suffix(".lock")


class Busy(OperatorError):
    """Another run is changing the site, so a check for drift would be wrong."""


def take(inventory: Path) -> IO[str]:
    """Lock the site until the returned stream is closed or this process ends.

    Raises OperatorError that names the run which holds the lock, or why it can't be held safely.
    """
    path = lock_path(inventory)
    stream = os.fdopen(_opened(path), "r+", encoding="utf-8", errors="replace")
    try:
        _lock(inventory, stream, fcntl.LOCK_EX)
    except Busy:
        stream.close()
        raise
    stream.truncate(0)
    stream.write(this_run())
    stream.flush()
    return stream


def refuse_busy(inventory: Path) -> None:
    """Raise Busy if another run is changing the site. Writes nothing and holds nothing."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(lock_path(inventory), flags)
    except OSError:
        return  # no run of this user has taken it yet
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        return
    with os.fdopen(descriptor, encoding="utf-8", errors="replace") as stream:
        _lock(inventory, stream, fcntl.LOCK_SH)


def _lock(inventory: Path, stream: IO[str], kind: int) -> None:
    for patience_s in (0.2, 0):  # another process that calls refuse_busy holds it for a moment
        try:
            return fcntl.flock(stream, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(patience_s)
    holder = stream.read().strip() or "another run"
    raise Busy(f"{inventory} is being deployed by {holder}; wait until that run has ended")


def _opened(path: Path) -> int:
    """Open the lock file, which only the caller and root can open, hold, replace or link."""
    if reason := mistrust(path):
        raise OperatorError(
            f"{path} is not a safe place for the lock file: {reason}, "
            "and could block every run; keep the inventory in a folder that only you can write"
        )
    try:
        # Don't follow a link, and don't wait for the other end of a pipe.
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        descriptor = os.open(path, flags, 0o600)
    except OSError as error:
        why = "a link" if error.errno == errno.ELOOP else error.strerror
        raise OperatorError(
            f"{path} can't be written ({why}); the lock file keeps a second run out"
        ) from error
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
        os.close(descriptor)
        raise OperatorError(f"{path} is not a file of its own; remove it and run this again")
    if status.st_uid == os.geteuid():
        os.fchmod(descriptor, 0o600)  # older versions created it with a wider mode
    return descriptor


@contextmanager
def held(inventory: Path) -> Iterator[None]:
    """Hold the site's lock during a block. Raises OperatorError as ``take`` does."""
    with take(inventory):
        yield


def this_run() -> str:
    """A line that describes this run, for runs that are refused because of it.

    Without the arguments, which may contain passwords.
    """
    program = Path(sys.argv[0]).name
    since = datetime.now().astimezone().isoformat(timespec="seconds")
    user = f"{name_of(os.geteuid())}@{socket.gethostname()}"
    return f"process {os.getpid()} of {user}, since {since}: {program}\n"
