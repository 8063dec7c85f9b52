"""The release that is installed on a host, read from the names of its folders."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from mattermost_host.knowledge import releases

FOLDER = re.compile(r"(?P<version>\d+\.\d+\.\d+)(-(?P<digest>[0-9a-f]{8})|-team)?")
"""``11.7.9-a22e631a``: the version, and the start of the tarball's digest if it is known."""


@dataclass(frozen=True)
class Installed:
    """A release on a host."""

    folder: str
    version: str

    @classmethod
    def parse(cls, folder: str) -> "Installed | None":
        """The release in ``folder``; None if the name is not one that we give."""
        found = FOLDER.fullmatch(folder)
        return cls(folder, found["version"]) if found else None

    def may_be_of(self, digest: str) -> bool:
        """Whether it may have been unpacked from the tarball with this ``digest``."""
        found = FOLDER.fullmatch(self.folder)
        return found is None or digest.startswith(found["digest"] or "")


def installed(current: str, noted: str, folders: Sequence[str]) -> Installed | None:
    """The release that a host runs, or ran last.

    ``current`` is the target of the link, ``noted`` the folder that was switched to last,
    ``folders`` those of complete releases. If both are lost and there is one release, it is that
    one. None: there is none, or it is unknown.
    """
    link = re.fullmatch(r"(?:/opt/mattermost/)?releases/([^/]+)/?", current)
    for folder in (link[1] if link else "", noted):
        if folder in folders and (found := Installed.parse(folder)):
            return found
    ours = [found for found in map(Installed.parse, folders) if found]
    return ours[0] if len(ours) == 1 else None


def meaning_of_move(before: Installed, wanted: Installed) -> str:
    """What a move between two releases means, as the predicate of a sentence about `current`."""
    old, new = releases.numbers(before.version), releases.numbers(wanted.version)
    if new == old:
        return f"leads to {before.folder}, and {wanted.folder} is another build of it"
    if new < old:
        return (
            f"leads to {before.version}, and {wanted.version} is older: a DOWNGRADE. The database "
            f"stays as {before.version} left it, and users who logged in since may be locked out"
        )
    return (
        f"leads to {before.version}: an UPGRADE to {wanted.version}. The server restarts and "
        "migrates its database; to go back you need a backup from before: make one"
    )
