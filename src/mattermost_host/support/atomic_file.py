"""Files on the control machine: checked before they are read, replaced atomically."""

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

    Raises OperatorError if another user owns it or may read or write it: its content is no longer a
    secret then.
    """
    return _read(path, largest, private=True)


def read_public(path: Path) -> str | None:
    """The text of ``path``, which anybody may read; None where there is no such file.

    Raises OperatorError if it can't be read.
    """
    return _read(path, LARGEST_BYTES, private=False)


def check_private(path: Path, status: os.stat_result, largest: int = LARGEST_BYTES) -> None:
    """Raise OperatorError if an open file is not regular, too large, or open to others."""
    _refuse_endless(path, status, largest)
    _refuse_public(path, status)


def _read(path: Path, largest: int, *, private: bool) -> str | None:
    # O_NONBLOCK: opening a named pipe would wait for a writer.
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        with os.fdopen(os.open(path, flags), encoding="utf-8") as file:
            # fstat on the open file, so that what is checked is what is read.
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
    """Replace ``path`` atomically, with mode 0600 from the first byte; hold the lock meanwhile."""
    replace(path, text, 0o600)


def write_public(path: Path, text: str) -> None:
    """Replace ``path`` atomically, with mode 0644, unless it already contains ``text``."""
    with suppress(OperatorError):
        if read_public(path) == text:
            return
    with locked(path):
        replace(path, text, 0o644)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock for writing ``path``; waits for other runs that hold it."""
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
        # The previous holder removes the lock file: then ours is no longer the one at that path.
        try:
            if os.path.samestat(os.fstat(descriptor), lock.stat()):
                return descriptor
        except FileNotFoundError:
            pass
        os.close(descriptor)


def replace(path: Path, text: str, mode: int) -> None:
    """Replace ``path`` atomically, with this mode whatever the umask is.

    Raises OperatorError if it can't be written.
    """
    path = path.resolve()
    with suppress(FileNotFoundError, PermissionError, NotADirectoryError):
        # Replacing a device (/dev/null behind a link, for one) would destroy it for everybody.
        _refuse_endless(path, path.stat(), sys.maxsize)
    # Another suffix: some programs read every *.prom or *.conf in a folder.
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
