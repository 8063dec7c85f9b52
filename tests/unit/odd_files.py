"""What may stand in the place of a file of the caller's, and is none."""

import os
from collections.abc import Callable
from pathlib import Path


def pipe(path: Path) -> None:
    """A named pipe, that nobody writes into."""
    os.mkfifo(path, 0o600)


def linked(path: Path) -> None:
    """A link to a named pipe."""
    os.mkfifo(path.with_name(f"pipe-{path.name}"), 0o600)
    path.symlink_to(f"pipe-{path.name}")


def huge(path: Path) -> None:
    """A file of a terabyte, of which the disk holds nothing."""
    path.touch(0o600)
    os.truncate(path, 1 << 40)


def foreign(path: Path) -> None:
    """A file of another user; only root can make one."""
    path.touch(0o600)
    os.chown(path, 65534, -1)


def unreadable(path: Path) -> None:
    """A file that nobody but root can read."""
    path.touch(0o000)


def cyclic(path: Path) -> None:
    """A link to itself."""
    path.symlink_to(path.name)


KINDS: tuple[Callable[[Path], None], ...] = (pipe, linked, huge, foreign, cyclic, Path.mkdir)
"""All that root meets as well as anybody else."""
