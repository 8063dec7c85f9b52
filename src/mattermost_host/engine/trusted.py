"""Execute the operator's code only if nobody else could have changed it."""

import os
from pathlib import Path

from mattermost_host.support.errors import OperatorError
from mattermost_host.support.trust import mistrust, mistrust_tree

LARGEST_BYTES = 1 << 22


def refuse_mistrusted(path: Path) -> None:
    """Raise OperatorError if another user could change the file that is about to be executed."""
    _refuse(path, mistrust(path))
    if os.path.lexists(path) and not (path.is_file() and path.stat().st_size <= LARGEST_BYTES):
        raise OperatorError(
            f"{path} is not executed: it is not a file, or larger than {LARGEST_BYTES >> 20} MB"
        )


def refuse_mistrusted_tree(path: Path) -> None:
    """The same for a folder and everything below it."""
    _refuse(path, mistrust_tree(path))


def _refuse(path: Path, reason: str) -> None:
    if reason:
        raise OperatorError(
            f"{path} was not executed, because another user could change it: {reason}; make "
            "yourself or root the owner of it and its folder, and let nobody else write them"
        )
