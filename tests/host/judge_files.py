"""Checks of the files in a service's own folders."""

from mattermost_host.ops.state_files import Found, flaw
from tests.host.judge import SHOWN, Sentences, differs


def members(user: str, found: Found) -> Sentences:
    """Each file below the folders of ``user`` is owned, readable and writable by it."""
    for one in found.wrong[:SHOWN]:
        yield differs(one.path, f"{user}'s own", f"that it {flaw(user, one)}")
    if len(found.wrong) > SHOWN:
        yield differs(
            f"{len(found.wrong) - SHOWN} more paths", f"{user}'s own", "that they are not"
        )
