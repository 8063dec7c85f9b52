"""Files on the control machine: where what can be fetched again is kept, and what is there."""

import os
import pwd
from pathlib import Path

BUNDLED = Path(__file__).parents[1] / "bundled"
PROJECT = BUNDLED if BUNDLED.is_dir() else Path(__file__).parents[3]
"""Where templates/, deploys/ and tests/host/ are: the checkout, or within the installed package."""


def home() -> Path:
    """The caller's home; the current folder for a user without one, as in some containers."""
    try:
        return Path(os.environ.get("HOME") or pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:
        return Path.cwd()


def user_name() -> str:
    """The caller's name, or number, which systemd takes for one as well."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


CACHE = Path(os.environ.get("XDG_CACHE_HOME") or home() / ".cache") / "mattermost-host"


def is_file(path: str) -> bool:
    """Whether there is a file at ``path`` that can be looked at."""
    try:
        return Path(path).is_file()
    except (OSError, ValueError):
        # A folder on the way that may not be entered; a name that no file can have.
        return False
