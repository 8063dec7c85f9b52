"""What tells whose a repository of backups is: of the host, and of a folder with one."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class BackupFacts:
    """What the function ``backups`` of ``host.sh`` says."""

    machine: str = ""
    """The host's /etc/machine-id."""
    systems: tuple[str, ...] = ()
    """System identifiers of its PostgreSQL clusters, those that do not run among them; an empty one
    could not be read."""
    settings: str = ""
    """SHA-256 of the file that tells restic where its repository is; empty if there is none."""
    mark: str = ""
    """Of a repository in a folder: what names its host."""
    info: str = ""
    """Of the same: its archive.info, encrypted, in base64."""


NO_BACKUPS = BackupFacts()
"""Of a site without backups."""


def parsed(lines: Sequence[str]) -> BackupFacts:
    """The facts from the lines that were printed, each with its kind first."""
    told: dict[str, list[str]] = {}
    for line in lines:
        kind, _, value = line.partition(" ")
        told.setdefault(kind, []).append(value.strip())
    first = {kind: values[0] for kind, values in told.items()}
    return BackupFacts(
        machine=first.get("machine", ""),
        systems=tuple(told.get("system", ())),
        settings=first.get("settings", "").partition(" ")[0],
        mark=first.get("mark", ""),
        info=first.get("info", ""),
    )
