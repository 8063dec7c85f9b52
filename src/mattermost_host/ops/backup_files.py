"""What backups are made of and restored with, as files: settings, units and programs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pydantic import SecretStr

from mattermost_host.engine.host_lock import LOCK
from mattermost_host.engine.host_lock import WAIT_S as LOCK_S
from mattermost_host.facts.host import HostFacts
from mattermost_host.knowledge.families import Cluster
from mattermost_host.ops.detached import Detached
from mattermost_host.ops.entries import Alone, Directory, Entry, File
from mattermost_host.ops.release_state import NOTED
from mattermost_host.support.templates import render

STANZA = "mattermost"
DATABASE = "mattermost"
USER = "postgres"
SOCKET_FOLDER = "/var/run/postgresql"
PORT = 5432
FOLDER = "/etc/pgbackrest"
CONFIGURATION = f"{FOLDER}/pgbackrest.conf"
KEY_FOLDER = "/etc/mattermost-host"
KEY_FILE = f"{KEY_FOLDER}/backup.key"
ENVIRONMENT_FILE = f"{KEY_FOLDER}/mattermost.env"
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
CACHE = "mattermost-backup"
UNITS = "/etc/systemd/system"
DATABASE_SERVICE = "mattermost-backup-database.service"
DUMP_SERVICE = "mattermost-backup-dump.service"
SERVICE = "mattermost-backup.service"
TIMER = "mattermost-backup.timer"
SERVICES = (DATABASE_SERVICE, DUMP_SERVICE, SERVICE)
ALL_SERVICES = "mattermost-backup*.service"
"""Pattern of systemctl: those of drills among them, as far as they are there."""
UNIT_FILES = tuple(f"{UNITS}/{name}" for name in (*SERVICES, TIMER))
TIMER_FILE = UNIT_FILES[-1]
OURS = (*UNIT_FILES, CONFIGURATION, KEY_FILE, BACK_UP_DATABASE, DUMP, BACK_UP_FILES, RESTORE)
"""Everything of ours except for the backups, which only their owner deletes."""
FULL_AFTER_S = 6 * 86_400 + 12 * 3_600
"""Seconds after which the next backup is a full one: a week, minus the timer's variation."""
SEGMENTS = 256
"""WAL segments of 16 MB, the packages' default, in 4 GiB."""
RESTORING = Detached("mattermost-host-restore", STATE_FOLDER)
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

    to: str
    keep_full: int
    cluster: Cluster

    @property
    def database(self) -> str:
        """pgBackRest's repository."""
        return f"{room(self.to)}/database"

    @property
    def files(self) -> str:
        """restic's repository."""
        return f"{room(self.to)}/files"


def room(to: str) -> str:
    """The folder of root's in ``to`` that has both repositories."""
    return f"{to}/mattermost-host"


def repositories(backups: Backups) -> Iterator[Entry]:
    """The folders that backups are written to."""
    yield Directory(room(backups.to))
    yield Directory(backups.database, "700", USER, USER)
    yield Directory(backups.files, "700")


def settings(backups: Backups, facts: HostFacts, key: SecretStr) -> Iterator[Entry]:
    """What both engines have to know, the key among it."""
    yield Directory(FOLDER, "750", group=USER)
    # pgBackRest reads every file in conf.d as well.
    yield Alone(f"{FOLDER}/conf.d")
    configuration = render(
        "backup/pgbackrest.conf.j2",
        repository=backups.database,
        key=key.get_secret_value(),
        keep_full=backups.keep_full,
        lock=f"{SOCKET_FOLDER}/pgbackrest",
        queue_mb=_queue_mb(facts),
        stanza=STANZA,
        data=backups.cluster.data,
        port=PORT,
        socket=SOCKET_FOLDER,
    )
    yield File(CONFIGURATION, configuration, "640", group=USER, secret=True)
    yield Directory(KEY_FOLDER)
    yield File(KEY_FILE, key_text(key), "600", secret=True)


def key_text(key: SecretStr) -> str:
    """The content of the key file."""
    return f"{key.get_secret_value()}\n"


def _queue_mb(facts: HostFacts) -> int:
    size = max((disk.size_mb for disk in facts.data_disks), default=0)
    least, most = QUEUE_MB
    return min(max(size // 10, least), most)


def units(backups: Backups) -> Iterator[Entry]:
    """The services of each night and their timer."""
    sandbox = render("backup/sandbox.j2")
    database = render(
        "backup/database.service.j2",
        postgresql=backups.cluster.unit,
        program=BACK_UP_DATABASE,
        repository=backups.database,
        socket=SOCKET_FOLDER,
        sandbox=sandbox,
    )
    dump = render(
        "backup/dump.service.j2",
        postgresql=backups.cluster.unit,
        database=DATABASE_SERVICE,
        state=STATE,
        cache=CACHE,
        program=DUMP,
        repository=backups.files,
        sandbox=sandbox,
    )
    of_files = render(
        "backup/files.service.j2",
        database=DATABASE_SERVICE,
        dump=DUMP_SERVICE,
        state=STATE,
        cache=CACHE,
        program=BACK_UP_FILES,
        repository=backups.files,
        sandbox=sandbox,
    )
    timer = render("backup/backup.timer.j2", service=SERVICE)
    for path, text in zip(UNIT_FILES, (database, dump, of_files, timer), strict=True):
        yield File(path, text)
        yield Alone(f"{path}.d")


def programs(backups: Backups, kept: Sequence[str]) -> Iterator[Entry]:
    """What the services run; ``kept`` are the files and folders that are backed up."""
    keep_days = 7 * (backups.keep_full + 1)
    of_database = render(
        "backup/backup-database.sh.j2",
        stanza=STANZA,
        full_after_s=FULL_AFTER_S,
        segments=SEGMENTS,
    )
    of_files = render(
        "backup/backup-files.sh.j2",
        stanza=STANZA,
        repository=backups.files,
        key_file=KEY_FILE,
        cache=f"/var/cache/{CACHE}",
        files=" ".join((*kept, NOTED)),
        keep_days=keep_days,
        last=LAST,
        globals=f"{STATE_FOLDER}/globals.sql",
    )
    dump = render(
        "backup/backup-dump.sh.j2",
        repository=backups.files,
        key_file=KEY_FILE,
        cache=f"/var/cache/{CACHE}",
        state=STATE_FOLDER,
        programs=backups.cluster.programs,
        socket=SOCKET_FOLDER,
        port=PORT,
        database=DATABASE,
        host=DUMP_HOST,
        keep_days=keep_days,
        dumped=DUMPED,
    )
    yield File(BACK_UP_DATABASE, of_database, "755")
    yield File(DUMP, dump, "755")
    yield File(BACK_UP_FILES, of_files, "755")


def restoring(backups: Backups, server: Server) -> Iterator[Entry]:
    """The program that brings database and files back."""
    cluster = backups.cluster
    names = {
        "stanza": STANZA,
        "database": DATABASE,
        "major": cluster.name[0],
        "key_file": KEY_FILE,
        "environment_file": ENVIRONMENT_FILE,
        "noted": NOTED,
        "data": cluster.data,
        "programs": cluster.programs,
        "to": backups.to,
        "home": server.home,
        "state": STATE_FOLDER,
        "socket": SOCKET_FOLDER,
        "port": PORT,
        "dump_host": DUMP_HOST,
    }
    text = render(
        "backup/restore-backup.sh.j2",
        look=render("backup/look.sh.j2", **names),
        from_dump=render("backup/from-dump.sh.j2", **names),
        **names,
        repository=backups.files,
        cache=f"/var/cache/{CACHE}",
        unit=cluster.unit,
        restores=f"{STATE_FOLDER}/restores",
        server=server.user,
        ping=server.ping,
        timer=TIMER,
        service=SERVICE,
        services=" ".join(SERVICES),
        lock=LOCK,
        lock_s=LOCK_S,
    )
    yield Directory(PROGRAMS)
    yield File(RESTORE, text, "755")
