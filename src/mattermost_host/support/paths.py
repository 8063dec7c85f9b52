"""Paths on the control machine: the project's own files, home folder, cache."""

import os
import pwd
from pathlib import Path
from stat import S_ISDIR, S_ISREG

BUNDLED = Path(__file__).parents[1] / "bundled"
PROJECT = BUNDLED if BUNDLED.is_dir() else Path(__file__).parents[3]
"""The folder of templates/, deploys/, tests/host/: the checkout, or a copy in the package."""


def home() -> Path:
    """The caller's home folder; the current folder for a user without one (in some containers)."""
    try:
        return Path(os.environ.get("HOME") or pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:
        return Path.cwd()


def user_name() -> str:
    """The caller's user name, or the numeric id, which systemd accepts as well."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


CACHE = Path(os.environ.get("XDG_CACHE_HOME") or home() / ".cache") / "mattermost-host"


def is_file(path: str) -> bool:
    """Whether ``path`` is a file that the caller can reach; False instead of an error."""
    try:
        return Path(path).is_file()
    except (OSError, ValueError):
        # A folder on the way is closed to the caller, or the name can't be a file's (NUL).
        return False


def instead_of_file(path: str) -> str:
    """What is at ``path`` in the place of a file: ``a folder``; empty where nothing is seen."""
    try:
        mode = Path(path).expanduser().stat().st_mode
    except (OSError, ValueError, RuntimeError):  # also: ~ of a user whom nobody knows
        return ""
    return "a folder" if S_ISDIR(mode) else "" if S_ISREG(mode) else "no regular file"
