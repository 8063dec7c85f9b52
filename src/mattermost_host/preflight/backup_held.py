"""What a place of backups holds already, as it is read before a run; or why it can't be read."""

from dataclasses import dataclass

from mattermost_host.ops.backup_files import STANZA

PLACE = "backup-place"
OWNER = "backup-owner"
INFO = f"archive/{STANZA}/archive.info"
"""File of the repository that names its database."""
MOST_BYTES = 65_536
"""Of a file that is read there; those of ours have a few hundred."""


@dataclass(frozen=True)
class Held:
    """Two small files of pgBackRest's repository."""

    mark: str = ""
    """What names its host; empty: there is no mark."""
    info: bytes = b""
    """archive.info, encrypted; empty: there is no repository."""


class PlaceRefused(Exception):
    """A place that can't be looked into; the sentences of the finding."""

    def __init__(self, found: str, needed: str, remedy: str, *, away: bool = False) -> None:
        """``away``: nothing answered, which may be different in a minute."""
        super().__init__(found)
        self.found, self.needed, self.remedy, self.away = found, needed, remedy, away


def shown(text: str) -> str:
    """What a service said, as one short line of ours."""
    return "".join(one if one.isprintable() else " " for one in text)[:200].strip()
