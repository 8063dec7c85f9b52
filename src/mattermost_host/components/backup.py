"""Backups: pgBackRest for the database, restic for the files, each night, encrypted."""

import re
from collections.abc import Iterator, Mapping, Sequence
from os.path import normpath

from pydantic import BaseModel, Field, SecretStr
from pyinfra.api import deploy as component

from mattermost_host.facts.host import HostFacts
from mattermost_host.facts.place import Place
from mattermost_host.knowledge.families import Cluster
from mattermost_host.knowledge.surface import SecretFile, Surface, Wanted
from mattermost_host.knowledge.texts import STRICT, Line
from mattermost_host.ops import backup_drill, files, packages, pgbackrest, remains, running
from mattermost_host.ops import backup_files as made_of
from mattermost_host.ops.backup_files import (
    CONFIGURATION,
    KEY_FILE,
    OURS,
    PORT,
    SERVICE,
    SOCKET_FOLDER,
    STANZA,
    TIMER,
    TIMER_FILE,
    USER,
    Backups,
    Server,
)
from mattermost_host.ops.postgresql_service import Archive
from mattermost_host.preflight import backup as checks
from mattermost_host.preflight import backup_key
from mattermost_host.preflight.finding import Requirement
from mattermost_host.support.addresses import without_secrets
from mattermost_host.support.errors import Mistake

QUESTION = pgbackrest.AskRepository(
    stanza=STANZA,
    configuration=CONFIGURATION,
    psql=f"psql -h {SOCKET_FOLDER} -p {PORT}",
    last=made_of.LAST,
    dumped=made_of.DUMPED,
    units=made_of.SERVICES,
    proven=backup_drill.PROVEN,
    drill=backup_drill.SERVICE,
)
OF_SYSTEM = re.compile(
    r"/(bin|boot|dev|etc|lib\w*|proc|root|run|sbin|sys|tmp|usr|opt/mattermost"
    r"|var/(cache|log|run|tmp|lib/(mattermost|mattermost-host|pgsql|postgresql)))?(/.*)?"
)


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
    drill: bool = Field(
        default=True,
        description=(
            "Each Sunday night the latest backup is restored beside the site and tried, which "
            "needs room for a second copy of database and files in `/var/lib/mattermost-host`."
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


def archive(settings: Settings) -> Archive | None:
    """Where PostgreSQL has to be able to write to; None where nothing is backed up."""
    return Archive(settings.to, made_of.room(settings.to)) if settings.to else None


@component("Backup")
def deploy(settings: Settings, facts: HostFacts, cluster: Cluster, key: SecretStr | None) -> None:
    """The repository for the database, which PostgreSQL archives to."""
    if settings.to is None:
        remains.removed(
            name="nothing of backups is left",
            paths=(*OURS, *backup_drill.OURS),
            timers=(TIMER_FILE, backup_drill.TIMER_FILE),
        )
        return
    assert key  # a secret of this component
    backups = Backups(settings.to, settings.keep_full, cluster)
    _engines(facts)
    files.present(
        name="repositories and their settings are in place",
        entries=[*made_of.repositories(backups), *made_of.settings(backups, facts, key)],
    )
    pgbackrest.stanza(name="the database is archived", question=QUESTION)


@component("Backup")
def schedule(settings: Settings, cluster: Cluster, kept: Sequence[str], server: Server) -> None:
    """The nightly backup of the database and of the paths ``kept``, and a first one now."""
    if settings.to is None:
        return
    backups = Backups(settings.to, settings.keep_full, cluster)
    written = files.present(
        name="the nightly backup is described",
        entries=[
            *made_of.units(backups),
            *made_of.restoring(backups, server),
            *made_of.programs(backups, kept),
        ],
    )
    running.running(
        name="the nightly backup is scheduled",
        unit=TIMER,
        restart_on=(TIMER_FILE,),
        after=[written],
    )
    pgbackrest.recent(name="a backup was made lately", question=QUESTION, unit=SERVICE)


@component("Backup")
def prove(settings: Settings, cluster: Cluster, server: Server) -> None:
    """The drill of each week, and one now where the last failed or is too long ago."""
    if settings.to is None:
        return
    if not settings.drill:
        remains.removed(
            name="nothing of drills is left",
            paths=backup_drill.OURS,
            timers=(backup_drill.TIMER_FILE,),
        )
        return
    backups = Backups(settings.to, settings.keep_full, cluster)
    written = files.present(
        name="the weekly drill is described",
        entries=list(backup_drill.entries(backups, server)),
    )
    running.running(
        name="the weekly drill is scheduled",
        unit=backup_drill.TIMER,
        restart_on=(backup_drill.TIMER_FILE,),
        after=[written],
    )
    pgbackrest.proven(name="the backups are proven", question=QUESTION, unit=backup_drill.SERVICE)


@component("Backup")
def readable(
    settings: Settings, facts: HostFacts, cluster: Cluster, key: SecretStr | None, server: Server
) -> None:
    """What the backup of a lost host is looked into and restored with, and nothing else yet."""
    assert settings.to and key  # the command asks for them
    backups = Backups(settings.to, settings.keep_full, cluster)
    _engines(facts)
    files.present(
        name="what a backup is restored with is in place",
        entries=[*made_of.settings(backups, facts, key), *made_of.restoring(backups, server)],
    )


def _engines(facts: HostFacts) -> None:
    packages.installed(
        name="pgBackRest and restic are installed",
        packages=facts.family.backup,
        manager=facts.family.package_manager,
    )


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
    """The distribution's packages, and the key of backups that exist already."""
    needs = [checks.packages()]
    key = place.secrets.backup_key if place.secrets else None
    if settings.to is not None and key is not None:
        text, folder = made_of.key_text(key), f"{settings.to}/mattermost-host"
        needs.append(backup_key.same_key(KEY_FILE, text, folder, place.site.secrets_file))
    return needs
