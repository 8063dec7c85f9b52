"""What backups are made of and restored with, as files: settings, units and programs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pydantic import SecretStr

from mattermost_host.engine.host_lock import LOCK
from mattermost_host.engine.host_lock import WAIT_S as LOCK_S
from mattermost_host.facts.host import HostFacts
from mattermost_host.knowledge.backup_places import Access
from mattermost_host.knowledge.clusters import Cluster
from mattermost_host.ops import backup_target
from mattermost_host.ops.backup_target import (
    CACHE,
    KEYS,
    PGBACKREST,
    RESTIC,
    SETTINGS,
    USER,
    Target,
)
from mattermost_host.ops.detached import Detached
from mattermost_host.ops.entries import Alone, Directory, Entry, File
from mattermost_host.ops.pgbackrest_member import FOLLOWS, NOT_LEADING, SYSTEM
from mattermost_host.ops.pgbackrest_state import DUMPED as DUMPED_BY_ANY
from mattermost_host.ops.pgbackrest_state import MARK
from mattermost_host.ops.release_state import NOTED
from mattermost_host.support.templates import render

STANZA = "mattermost"
DATABASE = "mattermost"
SOCKET_FOLDER = "/var/run/postgresql"
PORT = 5432
ENVIRONMENT_FILE = f"{KEYS}/mattermost.env"
"""It has the site's URL."""
PROGRAMS = "/usr/local/lib/mattermost-host"
BACK_UP_DATABASE = f"{PROGRAMS}/backup-database"
DUMP = f"{PROGRAMS}/backup-dump"
BACK_UP_FILES = f"{PROGRAMS}/backup-files"
RESTORE = f"{PROGRAMS}/restore-backup"
STATE = "mattermost-host/backup"
STATE_FOLDER = f"/var/lib/{STATE}"
LAST = f"{STATE_FOLDER}/last"
"""File that notes the last whole backup: the database's, and that of its files."""
DUMPED = f"{STATE_FOLDER}/dumped"
"""File that notes the last whole dump."""
DUMP_HOST = "mattermost-dump"
"""Host name under which restic keeps the dumps, apart from the files."""
UNITS = "/etc/systemd/system"
DATABASE_SERVICE = "mattermost-backup-database.service"
DUMP_SERVICE = "mattermost-backup-dump.service"
SERVICE = "mattermost-backup.service"
TIMER = "mattermost-backup.timer"
FAILED = "mattermost-host-backup-failed@.service"
"""Template of the unit that is started when one of the others fails."""
SERVICES = (DATABASE_SERVICE, DUMP_SERVICE, SERVICE)
ALL_SERVICES = "mattermost-backup*.service"
"""Pattern of systemctl: those of drills among them, as far as they are there."""
TIMER_FILE = f"{UNITS}/{TIMER}"
OURS = (
    *(f"{UNITS}/{name}" for name in SERVICES),
    TIMER_FILE,
    *SETTINGS,
    BACK_UP_DATABASE,
    DUMP,
    BACK_UP_FILES,
    RESTORE,
)
"""Everything of ours except for the backups, which only their owner deletes."""
FULL_AFTER_S = 6 * 86_400 + 12 * 3_600
"""Seconds after which the next backup is a full one: a week, minus the timer's variation."""
SEGMENTS = 256
"""WAL segments of 16 MB, the packages' default, in 4 GiB."""
RESTORING = Detached("mattermost-host-restore", STATE_FOLDER)
RESTORE_JOURNAL = f"{STATE_FOLDER}/restore-journal"
RESTORE_UNFINISHED = ("stops", "database", "files", "starts")
"""Steps of a restore at which one that was cut off is to be taken back."""
UNFINISHED_CASE = " | ".join(RESTORE_UNFINISHED)
"""The same, as a pattern of the shell."""
QUEUE_MB = (1_024, 65_536)
"""Bounds of the WAL that may wait for an unavailable repository, otherwise a tenth of the disk."""


@dataclass(frozen=True)
class Server:
    """The server whose files are backed up, and that is stopped for a restore."""

    user: str
    home: str
    """Folder that contains config and data."""
    ping: str
    """URL that answers when it works."""


@dataclass(frozen=True)
class Backups:
    """Where backups go, how many are kept, and of which cluster."""

    target: Target
    keep_full: int
    cluster: Cluster
    clustered: bool = False
    """Whether the database is on several hosts, each of which may lead, and the files on another.
    """


def settings(backups: Backups, facts: HostFacts, key: SecretStr, access: Access) -> Iterator[Entry]:
    """What both engines have to know, the keys among it."""
    yield Directory(PGBACKREST, "750", group=USER)
    # pgBackRest reads every file in conf.d as well.
    yield Alone(f"{PGBACKREST}/conf.d")
    yield Directory(KEYS)
    yield from backup_target.settings(
        backups.target,
        access,
        key,
        keep_full=backups.keep_full,
        lock=f"{SOCKET_FOLDER}/pgbackrest",
        queue_mb=_queue_mb(facts),
        stanza=STANZA,
        data=backups.cluster.data,
        port=PORT,
        socket=SOCKET_FOLDER,
    )


def _queue_mb(facts: HostFacts) -> int:
    size = max((disk.size_mb for disk in facts.data_disks), default=0)
    least, most = QUEUE_MB
    return min(max(size // 10, least), most)


def units(
    backups: Backups, services: Sequence[str] = SERVICES, timer: str = TIMER
) -> Iterator[Entry]:
    """The services of each night, and their timer, which starts the last one."""
    networked = backups.target.networked
    of_database, of_restic = backups.target.folders
    common = {
        "networked": networked,
        "sandbox": render("backup/sandbox.j2", networked=networked),
        "failed": FAILED,
        "clustered": backups.clustered,
        "postgresql": backups.cluster.unit,
        "database": DATABASE_SERVICE,
        "dump": DUMP_SERVICE,
        "state": STATE,
        "cache": CACHE,
        "socket": SOCKET_FOLDER,
    }
    texts = {
        DATABASE_SERVICE: ("backup/database.service.j2", BACK_UP_DATABASE, of_database),
        DUMP_SERVICE: ("backup/dump.service.j2", DUMP, of_restic),
        SERVICE: ("backup/files.service.j2", BACK_UP_FILES, of_restic),
    }
    for name in services:
        template, program, repository = texts[name]
        text = render(template, **common, program=program, repository=repository)
        yield File(f"{UNITS}/{name}", text)
        yield Alone(f"{UNITS}/{name}.d")
    yield File(f"{UNITS}/{timer}", render("backup/backup.timer.j2", service=services[-1]))
    yield Alone(f"{UNITS}/{timer}.d")


def programs(backups: Backups, kept: Sequence[str]) -> Iterator[Entry]:
    """What the services run; ``kept`` are the files and folders that are backed up."""
    yield from of_database(backups)
    yield of_files(backups, kept)


def of_files(backups: Backups, kept: Sequence[str]) -> File:
    """The program that backs up the files."""
    text = render(
        "backup/backup-files.sh.j2",
        clustered=backups.clustered,
        stanza=STANZA,
        restic=RESTIC,
        files=" ".join((*kept, NOTED)),
        keep_days=_keep_days(backups),
        last=LAST,
        globals=f"{STATE_FOLDER}/globals.sql",
    )
    return File(BACK_UP_FILES, text, "755")


def _keep_days(backups: Backups) -> int:
    return 7 * (backups.keep_full + 1)


def of_database(backups: Backups) -> Iterator[Entry]:
    """The programs that back up and dump the database."""
    database = render(
        "backup/backup-database.sh.j2",
        owner=_owner(backups),
        data=backups.cluster.data,
        stanza=STANZA,
        full_after_s=FULL_AFTER_S,
        segments=SEGMENTS,
    )
    dump = render(
        "backup/backup-dump.sh.j2",
        clustered=backups.clustered,
        dumps=backups.target.dumps,
        stanza=STANZA,
        note=DUMPED_BY_ANY,
        owner=_owner(backups, "as_postgres "),
        restic=RESTIC,
        state=STATE_FOLDER,
        programs=backups.cluster.programs,
        socket=SOCKET_FOLDER,
        port=PORT,
        database=DATABASE,
        host=DUMP_HOST,
        keep_days=_keep_days(backups),
        dumped=DUMPED,
    )
    yield File(BACK_UP_DATABASE, database, "755")
    yield File(DUMP, dump, "755")


def _owner(backups: Backups, account: str = "") -> str:
    """Only the owner of the repository goes on; of a cluster's members only the leader."""
    names = {"account": account, "stanza": STANZA, "mark": MARK}
    if not backups.clustered:
        return render("backup/owner.sh.j2", **names, journal=RESTORE_JOURNAL, steps=UNFINISHED_CASE)
    return render(
        "backup/leader.sh.j2",
        **names,
        psql=f"{backups.cluster.programs}/psql -XAtqw -h {SOCKET_FOLDER} -p {PORT} -d postgres",
        follows=FOLLOWS,
        not_leading=NOT_LEADING,
        system=SYSTEM,
    )


def restoring(backups: Backups, server: Server) -> Iterator[Entry]:
    """The program that brings database and files back."""
    names = _names(backups, server)
    text = render(
        "backup/restore-backup.sh.j2",
        look=render("backup/look.sh.j2", **names),
        from_dump=render("backup/from-dump.sh.j2", **names),
        folders=render("backup/folders.sh.j2", **names),
        way_back=render("backup/way-back.sh.j2", **names),
        **names,
        restic=RESTIC,
        unit=backups.cluster.unit,
        restores=f"{STATE_FOLDER}/restores",
        steps=UNFINISHED_CASE,
        ping=server.ping,
        service=SERVICE,
        services=" ".join(SERVICES),
        lock=LOCK,
        lock_s=LOCK_S,
    )
    yield Directory(PROGRAMS)
    yield File(RESTORE, text, "755")


def _names(backups: Backups, server: Server) -> dict[str, object]:
    cluster = backups.cluster
    return {
        "stanza": STANZA,
        "database": DATABASE,
        "major": cluster.name[0],
        "environment_file": ENVIRONMENT_FILE,
        "noted": NOTED,
        "data": cluster.data,
        "programs": cluster.programs,
        "to": backups.target.place,
        "networked": backups.target.networked,
        "base": backups.target.base,
        "home": server.home,
        "state": STATE_FOLDER,
        "journal": RESTORE_JOURNAL,
        "socket": SOCKET_FOLDER,
        "port": PORT,
        "dump_host": DUMP_HOST,
        "mark": MARK,
        "server": server.user,
        "timer": TIMER,
    }
