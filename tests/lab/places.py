"""Where the lab keeps its things: caches outside the checkout, state in /run."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

STATE = Path("/run/mattermost-host-lab")


def cache() -> Path:
    """Images, package caches and the disks of the hosts: one filesystem, so that links work."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "mattermost-host"


def images() -> Path:
    """The root images, one folder for a suite and recipe."""
    return cache() / "images"


def packages(suite: str) -> Path:
    """Packages that hosts of this suite downloaded."""
    return cache() / "apt" / suite


def disks(lab: str) -> Path:
    """The written files of the hosts of one lab."""
    return cache() / "labs" / lab


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file `path`; a second holder waits, a dead one's lock is free."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
