"""Backups: pgBackRest for the database, restic for the files, each night, encrypted."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from os.path import normpath

from pydantic import BaseModel, Field, SecretStr
from pyinfra.api import deploy as component

from mattermost_host.facts.host import HostFacts
from mattermost_host.facts.place import Place
from mattermost_host.knowledge.families import Cluster
from mattermost_host.knowledge.surface import SecretFile, Surface, Wanted
from mattermost_host.knowledge.texts import STRICT, Line
from mattermost_host.ops import files, packages, pgbackrest, remains, running
from mattermost_host.ops.entries import Alone, Directory, Entry, File
from mattermost_host.preflight import backup as checks
from mattermost_host.preflight.finding import Requirement
from mattermost_host.support.addresses import without_secrets
from mattermost_host.support.errors import Mistake
from mattermost_host.support.templates import render

STANZA = "mattermost"
USER = "postgres"
SOCKET_FOLDER = "/var/run/postgresql"
PORT = 5432
FOLDER = "/etc/pgbackrest"
CONFIGURATION = f"{FOLDER}/pgbackrest.conf"
KEY_FOLDER = "/etc/mattermost-host"
KEY_FILE = f"{KEY_FOLDER}/backup.key"
PROGRAMS = "/usr/local/lib/mattermost-host"
BACK_UP_DATABASE = f"{PROGRAMS}/backup-database"
BACK_UP_FILES = f"{PROGRAMS}/backup-files"
RESTORE = f"{PROGRAMS}/restore-backup"
STATE = "mattermost-host/backup"
LAST = f"/var/lib/{STATE}/last"
"""File that notes the last whole backup: the database's, and that of its files."""
CACHE = "mattermost-backup"
UNITS = "/etc/systemd/system"
DATABASE_SERVICE = "mattermost-backup-database.service"
SERVICE = "mattermost-backup.service"
TIMER = "mattermost-backup.timer"
UNIT_FILES = tuple(f"{UNITS}/{name}" for name in (DATABASE_SERVICE, SERVICE, TIMER))
TIMER_FILE = UNIT_FILES[-1]
OURS = (*UNIT_FILES, CONFIGURATION, KEY_FILE, BACK_UP_DATABASE, BACK_UP_FILES, RESTORE)
"""Everything of ours except for the backups, which only their owner deletes."""
FULL_AFTER_S = 6 * 86_400 + 12 * 3_600
"""Seconds after which the next backup is a full one: a week, minus the timer's variation."""
SEGMENTS = 256
"""WAL segments of 16 MB, the packages' default, in 4 GiB."""
QUEUE_MB = (1_024, 65_536)
"""Bounds of the WAL that may wait for an unavailable repository, otherwise a tenth of the disk."""
QUESTION = pgbackrest.AskRepository(
    stanza=STANZA,
    configuration=CONFIGURATION,
    psql=f"psql -h {SOCKET_FOLDER} -p {PORT}",
    last=LAST,
    units=(SERVICE, DATABASE_SERVICE),
)
OF_SYSTEM = re.compile(
    r"/(bin|boot|dev|etc|lib\w*|proc|root|run|sbin|sys|tmp|usr|opt/mattermost"
    r"|var/(cache|log|run|tmp|lib/(mattermost|mattermost-host|pgsql|postgresql)))?(/.*)?"
)


@dataclass(frozen=True)
class Server:
    """The server whose files are backed up, and that is stopped for a restore."""

    user: str
    home: str
    """Folder that contains config and data."""
    ping: str
    """URL that answers when it works."""


class Settings(BaseModel):
    """Backups of database and files."""

    model_config = STRICT

    to: Line | None = Field(
        default=None,
        description=(
            "Folder on the host for backups, best on a disk of its own or on a network's, e.g. "
            "`/srv/backup`. Without it nothing is backed up. The key is in the secrets file "
            "(`backup_key`): keep a copy of that where the backups are not."
        ),
    )
    keep_full: int = Field(
        default=4,
        ge=1,
        le=520,
        description=(
            "Full backups of the database that are kept, one a week, with all that came after "
            "the oldest; files are kept for that many weeks and one more."
        ),
    )


def surface(settings: Settings, place: Place) -> Surface:
    """The key, in two files."""
    if settings.to is None:
        return Surface()
    closed = (SecretFile(CONFIGURATION, group=USER, mode="640"), SecretFile(KEY_FILE))
    return Surface(secret_files=closed)


def parameters(settings: Settings) -> Mapping[str, str]:
    """PostgreSQL's parameters for archiving; a failure loses at most 60 s."""
    if settings.to is None:
        return {}
    return {
        "archive_mode": "on",
        "archive_command": f"'pgbackrest --stanza={STANZA} archive-push %p'",
        "archive_timeout": "60s",
    }


@component("Backup")
def deploy(settings: Settings, facts: HostFacts, cluster: Cluster, key: SecretStr | None) -> None:
    """The repository for the database, which PostgreSQL archives to."""
    if settings.to is None:
        remains.removed(name="nothing of backups is left", paths=OURS, timer=TIMER_FILE)
        return
    assert key  # a secret of this component
    packages.installed(
        name="pgBackRest and restic are installed",
        packages=facts.family.backup,
        manager=facts.family.package_manager,
    )
    files.present(
        name="repositories and their settings are in place",
        entries=list(_entries(settings.to, settings.keep_full, facts, cluster, key)),
    )
    pgbackrest.stanza(name="the database is archived", question=QUESTION)


@component("Backup")
def schedule(settings: Settings, cluster: Cluster, kept: Sequence[str], server: Server) -> None:
    """The nightly backup of the database and of the paths ``kept``, and a first one now."""
    if settings.to is None:
        return
    written = files.present(
        name="the nightly backup is described",
        entries=[
            *_scheduled(settings.to, settings.keep_full, cluster, kept),
            _restoring(settings.to, cluster, server),
        ],
    )
    running.running(
        name="the nightly backup is scheduled",
        unit=TIMER,
        restart_on=(TIMER_FILE,),
        after=[written],
    )
    pgbackrest.recent(name="a backup was made lately", question=QUESTION, unit=SERVICE)


def database_repository(to: str) -> str:
    """pgBackRest's repository."""
    return f"{to}/mattermost-host/database"


def files_repository(to: str) -> str:
    """restic's repository."""
    return f"{to}/mattermost-host/files"


def _queue_mb(facts: HostFacts) -> int:
    size = max((disk.size_mb for disk in facts.data_disks), default=0)
    least, most = QUEUE_MB
    return min(max(size // 10, least), most)


def _entries(
    to: str, keep_full: int, facts: HostFacts, cluster: Cluster, key: SecretStr
) -> Iterator[Entry]:
    yield Directory(f"{to}/mattermost-host")
    yield Directory(database_repository(to), "700", USER, USER)
    yield Directory(files_repository(to), "700")
    yield Directory(FOLDER, "750", group=USER)
    # pgBackRest reads every file in conf.d as well.
    yield Alone(f"{FOLDER}/conf.d")
    configuration = render(
        "backup/pgbackrest.conf.j2",
        repository=database_repository(to),
        key=key.get_secret_value(),
        keep_full=keep_full,
        lock=f"{SOCKET_FOLDER}/pgbackrest",
        queue_mb=_queue_mb(facts),
        stanza=STANZA,
        data=cluster.data,
        port=PORT,
        socket=SOCKET_FOLDER,
    )
    yield File(CONFIGURATION, configuration, "640", group=USER, secret=True)
    yield Directory(KEY_FOLDER)
    yield File(KEY_FILE, f"{key.get_secret_value()}\n", "600", secret=True)


def _scheduled(to: str, keep_full: int, cluster: Cluster, kept: Sequence[str]) -> Iterator[Entry]:
    sandbox = render("backup/sandbox.j2")
    database = render(
        "backup/database.service.j2",
        postgresql=cluster.unit,
        program=BACK_UP_DATABASE,
        repository=database_repository(to),
        socket=SOCKET_FOLDER,
        sandbox=sandbox,
    )
    of_files = render(
        "backup/files.service.j2",
        database=DATABASE_SERVICE,
        state=STATE,
        cache=CACHE,
        program=BACK_UP_FILES,
        repository=files_repository(to),
        sandbox=sandbox,
    )
    timer = render("backup/backup.timer.j2", service=SERVICE)
    yield Directory(PROGRAMS)
    for path, text in zip(UNIT_FILES, (database, of_files, timer), strict=True):
        yield File(path, text)
        yield Alone(f"{path}.d")
    yield from _programs(to, keep_full, kept)


def _programs(to: str, keep_full: int, kept: Sequence[str]) -> Iterator[File]:
    of_database = render(
        "backup/backup-database.sh.j2",
        stanza=STANZA,
        full_after_s=FULL_AFTER_S,
        segments=SEGMENTS,
    )
    of_files = render(
        "backup/backup-files.sh.j2",
        stanza=STANZA,
        repository=files_repository(to),
        key_file=KEY_FILE,
        cache=f"/var/cache/{CACHE}",
        files=" ".join(kept),
        keep_days=7 * (keep_full + 1),
        last=LAST,
    )
    yield File(BACK_UP_DATABASE, of_database, "755")
    yield File(BACK_UP_FILES, of_files, "755")


def _restoring(to: str, cluster: Cluster, server: Server) -> File:
    text = render(
        "backup/restore-backup.sh.j2",
        stanza=STANZA,
        repository=files_repository(to),
        key_file=KEY_FILE,
        cache=f"/var/cache/{CACHE}",
        data=cluster.data,
        unit=cluster.unit,
        programs=cluster.programs,
        restores=f"/var/lib/{STATE}/restores",
        stage=f"/var/lib/{STATE}/restoring",
        home=server.home,
        server=server.user,
        ping=server.ping,
        socket=SOCKET_FOLDER,
        port=PORT,
        timer=TIMER,
        service=SERVICE,
        services=f"{SERVICE} {DATABASE_SERVICE}",
    )
    return File(RESTORE, text, "755")


def secrets(settings: Settings, place: Place) -> Wanted:
    """The key that encrypts the backups."""
    return Wanted(backup_key=settings.to is not None)


def mistakes(settings: Settings, place: Place) -> Iterator[Mistake]:
    """The folder must be one word for a shell, and outside of the system's folders."""
    to = settings.to
    if to is None:
        if "keep_full" in settings.model_fields_set:
            needed = "say as backup.to where backups go, or leave it out"
            yield Mistake("backup.keep_full", "a number without backup.to", needed)
        return
    plain = re.fullmatch(r"(/[A-Za-z0-9_][A-Za-z0-9_.-]*)+", to) and normpath(to) == to
    if not plain or OF_SYSTEM.fullmatch(to):
        yield Mistake(
            "backup.to",
            f'"{without_secrets(to)}"',
            "the full path of a folder for backups, such as /srv/backup, of letters, digits, "
            "points, hyphens and underscores, and outside of the system's own folders",
        )


def requires(settings: Settings, place: Place) -> list[Requirement]:
    """The distribution's packages."""
    return [checks.packages()]
