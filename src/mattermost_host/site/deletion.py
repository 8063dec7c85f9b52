"""What an uninstall deletes for good where it is told to, and nothing else."""

from collections.abc import Iterator, Sequence

from pyinfra.api import Host

from mattermost_host.components import backup, postgres
from mattermost_host.engine import questions
from mattermost_host.facts.database import last_move
from mattermost_host.facts.host import HostFacts
from mattermost_host.knowledge.clusters import Cluster
from mattermost_host.ops import backup_files, backup_target, postgresql_move_state
from mattermost_host.ops.deletion import AskData
from mattermost_host.ops.release_state import NOTED
from mattermost_host.ops.state_files import FOLDERS, LOGS, STATE
from mattermost_host.site.settings import Description
from mattermost_host.site.site import Site
from mattermost_host.support.errors import Mistake, OperatorError

DATABASE, FILES, BACKUPS = "database", "files", "backups"
NAMES = (DATABASE, FILES, BACKUPS)
OF_FILES = (*(one for one in FOLDERS if one != LOGS), STATE, LOGS)
"""The innermost first: each may be a mount point."""
OF_DATABASE = (NOTED, postgresql_move_state.FOLDER)
"""What tells of a database that is not there any more."""
OPTION = "--delete"


def mistakes(names: Sequence[str], settings: Description) -> Iterator[Mistake]:
    """Names that are unknown, and those of what is not on the site's hosts."""
    known = ", ".join(NAMES)
    if not names:
        yield Mistake(OPTION, "nothing", f"what is to be deleted, with commas: {known}")
    for name in names:
        if name not in NAMES:
            yield Mistake(OPTION, f'"{name}"', f"one of {known}")
    if BACKUPS in names and settings.backup.to is None:
        needed = "an inventory with the backup.to that they are in"
        yield Mistake(OPTION, '"backups", and the inventory has no backup.to', needed)
    if BACKUPS in names and settings.backup.to and "://" in settings.backup.to:
        needed = "delete them there yourself, with what opens that"
        yield Mistake(OPTION, f'"backups", and they are at {settings.backup.to}', needed)
    if DATABASE in names and not settings.postgres.local:
        needed = "delete an external database where it is"
        yield Mistake(OPTION, '"database", and postgres.dsn is on another host', needed)


def repositories(settings: backup.Settings) -> tuple[str, ...]:
    """The folders of the site's backups, the innermost first; what notes them is no backup."""
    assert settings.to  # `mistakes` asks for it
    folder = f"{settings.to}/mattermost-host"
    return (f"{folder}/database", f"{folder}/files", folder)


def from_before_move(site: Site, facts: HostFacts) -> Cluster | None:
    """The cluster that a move of the database has left, or that it was to go to."""
    own = postgres.cluster(site.settings.postgres, facts)
    there = [(version, name) for version, name, _ in facts.clusters]
    move = last_move(facts)
    for major in (move.old, move.new) if move else ():
        other = facts.family.cluster_of_pgdg(major)
        if other.name in there and other.name != own.name:
            return other
    return None


def refuse(site: Site, facts: HostFacts, host: Host) -> None:
    """Raise OperatorError with everything that keeps the host's data from being deleted."""
    if not site.delete:
        return
    of_backups = repositories(site.settings.backup) if BACKUPS in site.delete else ()
    asked = AskData((*of_backups, *(OF_FILES if FILES in site.delete else ())))
    found = questions.answers_of(host, [asked])
    if asked not in found:
        raise OperatorError(f"{host.name} does not say what data it has. Nothing was changed.")
    seen = found[asked]
    wrong = [f"{one} is a link: delete what it leads to yourself" for one in seen.links]
    wrong += [
        f"{one} is a mount point: unmount it, or delete what is on it yourself"
        for one in seen.mounts
        if one in of_backups
    ]
    if seen.unmounted:
        wrong.append(f"{seen.unmounted} is in /etc/fstab and not mounted: mount it first")
    if wrong:
        raise OperatorError(f"{host.name}: {'; '.join(wrong)}. Nothing was changed.")


def notes_of_backups() -> tuple[str, ...]:
    """What tells of backups that are not there any more: root's own."""
    return (backup_files.STATE_FOLDER, f"/var/cache/{backup_target.CACHE}")
