"""Code of the operator's that is executed only where nobody else could have written it."""

from pathlib import Path

from mattermost_host.support.errors import OperatorError
from mattermost_host.support.trust import mistrust


def refuse_mistrusted(path: Path) -> None:
    """Raise OperatorError where somebody else could change what is about to be executed."""
    if reason := mistrust(path):
        raise OperatorError(
            f"{path} was not executed, because another user could change it: {reason}; make "
            "yourself or root the owner of it and its folder, and let nobody else write them"
        )
