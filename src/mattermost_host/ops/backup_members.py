"""The backup of a site whose database is on several hosts, as its two parts.

Each member of the database's cluster can back up the database, and the one that leads does; the
host of the server backs up the files.
"""

from collections.abc import Sequence

from pydantic import SecretStr

from mattermost_host.facts.host import HostFacts
from mattermost_host.knowledge.backup_places import Access
from mattermost_host.ops import (
    backup_drill,
    backup_target,
    backup_watch,
    files,
    pgbackrest,
    remains,
    running,
)
from mattermost_host.ops import backup_files as made_of
from mattermost_host.ops.backup_files import (
    DATABASE_SERVICE,
    DUMP_SERVICE,
    PORT,
    PROGRAMS,
    SERVICE,
    SOCKET_FOLDER,
    STANZA,
    UNITS,
    Backups,
)
from mattermost_host.ops.backup_made import AskFiles
from mattermost_host.ops.backup_watch import Watched
from mattermost_host.ops.entries import Directory
from mattermost_host.ops.pgbackrest_member import AskMember

OF_DATABASE = (DATABASE_SERVICE, DUMP_SERVICE)
"""The services of a member; the last one wants the first."""
TIMER = "mattermost-backup-database.timer"
TIMER_FILE = f"{UNITS}/{TIMER}"
TIMERS = (TIMER_FILE, made_of.TIMER_FILE, backup_watch.TIMER_FILE)
OURS = (*made_of.OURS, *backup_drill.OURS, *backup_watch.OURS, TIMER_FILE)
"""What either part may leave."""
REPOSITORY = AskMember(
    STANZA, backup_target.CONFIGURATION, f"psql -h {SOCKET_FOLDER} -p {PORT}", OF_DATABASE
)
FILES = AskFiles(made_of.LAST, (SERVICE,))


def gone() -> None:
    """Nothing is backed up any more."""
    remains.removed(name="nothing of backups is left", paths=OURS, timers=TIMERS)


def reached(backups: Backups, facts: HostFacts, key: SecretStr, access: Access) -> None:
    """A member knows the repositories; PostgreSQL archives to one of them."""
    files.present(
        name="settings of the repositories are in place",
        entries=list(made_of.settings(backups, facts, key, access)),
    )


def reached_by_files(backups: Backups, _facts: HostFacts, key: SecretStr, access: Access) -> None:
    """The host of the server knows the repository of the files."""
    of_restic = backup_target.of_restic(backups.target, access, key)
    files.present(
        name="settings of the files' repository are in place",
        entries=[Directory(backup_target.KEYS), *of_restic],
    )


def archived() -> None:
    """All members have one repository, which the leader begins."""
    pgbackrest.stanza(name="the database is archived", question=REPOSITORY)


def scheduled(backups: Backups, *, with_files: bool) -> None:
    """Each night the member that leads then backs up the database."""
    watched = Watched(
        (*OF_DATABASE, *([SERVICE] if with_files else [])),
        backups.cluster.data,
        member=True,
        files=with_files,
        networked=backups.target.networked,
    )
    written = files.present(
        name="the nightly backup of the database is described",
        entries=[
            Directory(PROGRAMS),
            *made_of.units(backups, OF_DATABASE, TIMER),
            *made_of.of_database(backups),
            *backup_watch.entries(watched),
        ],
    )
    running.scheduled(
        name="the nightly backup of the database is scheduled", timer=TIMER, after=[written]
    )
    running.scheduled(
        name="the metrics of the database's backups are scheduled",
        timer=backup_watch.TIMER,
        after=[written],
    )
    pgbackrest.recent(
        name="a backup of the database was made lately",
        question=REPOSITORY,
        unit=DUMP_SERVICE,
        noted=(made_of.DUMPED,),
    )


def files_scheduled(backups: Backups, kept: Sequence[str], *, alone: bool) -> None:
    """The files and folders ``kept`` are backed up each night; ``alone`` without a database."""
    watched = backup_watch.entries(Watched((SERVICE,))) if alone else ()
    written = files.present(
        name="the nightly backup of the files is described",
        entries=[
            Directory(PROGRAMS),
            *made_of.units(backups, (SERVICE,)),
            made_of.of_files(backups, kept),
            *watched,
        ],
    )
    running.scheduled(
        name="the nightly backup of the files is scheduled", timer=made_of.TIMER, after=[written]
    )
    if alone:
        running.scheduled(
            name="the metrics of the files' backups are scheduled",
            timer=backup_watch.TIMER,
            after=[written],
        )
    pgbackrest.recent(
        name="a backup of the files was made lately",
        question=FILES,
        unit=SERVICE,
        noted=(made_of.LAST,),
    )
