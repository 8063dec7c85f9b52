"""Files of the control machine that nobody else may read: read with suspicion, written at once."""

import fcntl
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mattermost_host.support.errors import OperatorError

LARGEST_BYTES = 1 << 24


def read_private(path: Path, largest: int = LARGEST_BYTES) -> str | None:
    """The text of ``path``; None where there is no such file.

    Raises OperatorError where it belongs to somebody else or others may read or write it: what
    is in it is then no secret any more.
    """
    return _read(path, largest, private=True)


def read_public(path: Path) -> str | None:
    """The text of ``path``, which anybody may read; None where there is no such file.

    Raises OperatorError where it can't be read.
    """
    return _read(path, LARGEST_BYTES, private=False)


def check_private(path: Path, status: os.stat_result, largest: int = LARGEST_BYTES) -> None:
    """Raise OperatorError where an open file is none to trust, or may be none of the caller's."""
    _refuse_endless(path, status, largest)
    _refuse_public(path, status)


def _read(path: Path, largest: int, *, private: bool) -> str | None:
    # Nobody waits for the other end of a pipe.
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        with os.fdopen(os.open(path, flags), encoding="utf-8") as file:
            # Asked of the open file: the answer holds for the very bytes that are read.
            status = os.fstat(file.fileno())
            _refuse_endless(path, status, largest)
            if private:
                _refuse_public(path, status)
            return file.read()
    except FileNotFoundError:
        return None
    except UnicodeDecodeError:
        raise OperatorError(f"{path} is not UTF-8 text. Bring it back from your backup.") from None
    except OSError as error:
        raise OperatorError(f"{path} cannot be read: {error.strerror}.") from None


def write_private(path: Path, text: str) -> None:
    """Put ``text`` at ``path`` in one step, 0600 from the first byte. Call it under the lock."""
    replace(path, text, 0o600)


def write_public(path: Path, text: str) -> None:
    """Put ``text`` at ``path`` in one step, 0644; nothing is written where it stands already."""
    with suppress(OperatorError):
        if read_public(path) == text:
            return
    with locked(path):
        replace(path, text, 0o644)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Wait until no other run is writing ``path``, and keep others waiting meanwhile."""
    lock = path.with_name(f"{path.name}.lock")
    try:
        descriptor = _acquire(lock)
    except OSError as error:
        raise _not_writable(path, error) from None
    try:
        yield
    finally:
        lock.unlink()
        os.close(descriptor)


def _acquire(lock: Path) -> int:
    while True:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(lock, flags, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        # Whoever had the lock before us removed its file: then ours is no longer in the way.
        try:
            if os.path.samestat(os.fstat(descriptor), lock.stat()):
                return descriptor
        except FileNotFoundError:
            pass
        os.close(descriptor)


def replace(path: Path, text: str, mode: int) -> None:
    """Put ``text`` at ``path`` in one step, with this mode whatever the umask.

    Raises OperatorError where that can't be written.
    """
    path = path.resolve()
    with suppress(FileNotFoundError, PermissionError, NotADirectoryError):
        # A device at the end of a link, for one, would be gone for everybody.
        _refuse_endless(path, path.stat(), sys.maxsize)
    # Not by the same suffix: folders are read by programs that take every *.prom or *.conf.
    aside = path.with_name(f".{path.name}.new")
    try:
        aside.unlink(missing_ok=True)
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), mode)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
        _sync_directory(path.parent)
    except OSError as error:
        with suppress(OSError):
            aside.unlink(missing_ok=True)
        raise _not_writable(path, error) from None


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _refuse_endless(path: Path, status: os.stat_result, largest: int) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise OperatorError(
            f"{path} is not a file but a folder, a pipe or a device; move it away, and bring the "
            "file back from your backup"
        )
    if status.st_size > largest:
        raise OperatorError(
            f"{path} is larger than {largest >> 20} MB; bring it back from your backup"
        )


def _refuse_public(path: Path, status: os.stat_result) -> None:
    if status.st_uid != os.geteuid():
        raise OperatorError(
            f"{path} belongs to the user with id {status.st_uid}, and this is the user with id "
            f"{os.geteuid()}: its owner could read every secret in it. "
            f"Run as that user, or type: chown {os.geteuid()} {path}"
        )
    if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise OperatorError(
            f"{path} has mode {stat.S_IMODE(status.st_mode):04o}: others than its owner may read "
            f"it. Type: chmod 600 {path}   If somebody may have read it, remove the secrets in it "
            "to have new ones."
        )


def _not_writable(path: Path, error: OSError) -> OperatorError:
    return OperatorError(
        f"{path} cannot be written: {error.strerror}. Make {path.parent} a folder that you may "
        "write."
    )
