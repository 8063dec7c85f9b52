"""Backups: pgBackRest for the database, restic for the files, each night, encrypted."""

from collections.abc import Iterator, Mapping, Sequence

from pydantic import Field, SecretStr
from pyinfra.api import deploy as component

from mattermost_host.facts.host import HostFacts
from mattermost_host.facts.place import Place
from mattermost_host.knowledge import backup_places
from mattermost_host.knowledge.backup_places import Access, Folder, OtherHost
from mattermost_host.knowledge.clusters import Cluster
from mattermost_host.knowledge.surface import SecretFile, Surface, Wanted
from mattermost_host.ops import (
    backup_drill,
    backup_members,
    backup_target,
    backup_watch,
    files,
    packages,
    pgbackrest,
    remains,
    running,
)
from mattermost_host.ops import backup_files as made_of
from mattermost_host.ops.backup_files import (
    OURS,
    SERVICE,
    STANZA,
    TIMER,
    TIMER_FILE,
    Backups,
    Server,
)
from mattermost_host.ops.backup_target import CONFIGURATION, KEY_FILE, RESTIC, USER
from mattermost_host.ops.backup_watch import Watched
from mattermost_host.ops.postgresql_service import Archive
from mattermost_host.preflight import backup as checks
from mattermost_host.preflight import backup_key, backup_owner, backup_place, backup_repository
from mattermost_host.preflight.backup_place import PlaceSettings
from mattermost_host.preflight.finding import Need
from mattermost_host.support.errors import Mistake

QUESTION = backup_drill.QUESTION


class Settings(PlaceSettings):
    """Backups of database and files."""

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
            "needs room for a second copy of database and files in `/var/lib/mattermost-host`. "
            "Not where the database is on several hosts."
        ),
    )


def surface(settings: Settings, place: Place) -> Surface:
    """The key, in two files."""
    if settings.to is None:
        return Surface()
    closed = [SecretFile(KEY_FILE), SecretFile(RESTIC)]
    if place.with_database:
        closed.insert(0, SecretFile(CONFIGURATION, group=USER, mode="640"))
    return Surface(secret_files=tuple(closed))


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
    """What PostgreSQL needs to archive; None where nothing is backed up."""
    place = backup_places.place(settings.to) if settings.to is not None else None
    if isinstance(place, Folder):
        return Archive(place.path, place.room)
    return Archive(networked=True) if place else None


@component("Backup")
def deploy(
    settings: Settings, facts: HostFacts, cluster: Cluster, key: SecretStr | None, access: Access
) -> None:
    """The repository for the database, which PostgreSQL archives to."""
    if settings.to is None:
        remains.removed(
            name="nothing of backups is left",
            paths=(*OURS, *backup_drill.OURS, *backup_watch.OURS),
            timers=(TIMER_FILE, backup_drill.TIMER_FILE, backup_watch.TIMER_FILE),
        )
        return
    assert key  # a secret of this component
    backups = _backups(settings, cluster)
    _engines(facts)
    files.present(
        name="repositories and their settings are in place",
        entries=[
            *backup_target.repositories(backups.target),
            *made_of.settings(backups, facts, key, access),
        ],
    )
    pgbackrest.stanza(name="the database is archived", question=QUESTION)


@component("Backup")
def schedule(settings: Settings, cluster: Cluster, kept: Sequence[str], server: Server) -> None:
    """The nightly backup of the database and of the paths ``kept``, and a first one now."""
    if settings.to is None:
        return
    backups = _backups(settings, cluster)
    written = files.present(
        name="the nightly backup is described",
        entries=[
            *made_of.units(backups),
            *made_of.restoring(backups, server),
            *made_of.programs(backups, kept),
            *backup_watch.entries(Watched(data=cluster.data)),
        ],
    )
    running.scheduled(name="the nightly backup is scheduled", timer=TIMER, after=[written])
    running.scheduled(
        name="the metrics of backups are scheduled", timer=backup_watch.TIMER, after=[written]
    )
    noted = (made_of.LAST, made_of.DUMPED)
    pgbackrest.recent(name="a backup was made lately", question=QUESTION, unit=SERVICE, noted=noted)


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
    backups = _backups(settings, cluster)
    written = files.present(
        name="the weekly drill is described",
        entries=list(backup_drill.entries(backups, server)),
    )
    running.scheduled(
        name="the weekly drill is scheduled", timer=backup_drill.TIMER, after=[written]
    )
    pgbackrest.proven(name="the backups are proven", question=QUESTION, unit=backup_drill.SERVICE)


@component("Backup")
def readable(
    settings: Settings,
    facts: HostFacts,
    cluster: Cluster,
    key: SecretStr | None,
    access: Access,
    server: Server,
) -> None:
    """What the backup of a lost host is looked into and restored with, and nothing else yet."""
    assert settings.to and key  # the command asks for them
    backups = _backups(settings, cluster)
    _engines(facts)
    files.present(
        name="what a backup is restored with is in place",
        entries=[
            *made_of.settings(backups, facts, key, access),
            *made_of.restoring(backups, server),
        ],
    )


@component("Backup")
def reach(
    settings: Settings,
    facts: HostFacts,
    layout: Cluster,
    key: SecretStr | None,
    access: Access,
    member: bool,
) -> None:
    """Where the database is on several hosts: what a ``member``, or the files' host, needs."""
    if settings.to is None:
        backup_members.gone()
        return
    assert key  # a secret of this component
    _engines(facts)
    reached = backup_members.reached if member else backup_members.reached_by_files
    reached(_backups(settings, layout), facts, key, access)


@component("Backup")
def archive_members(settings: Settings) -> None:
    """The repository that the members share."""
    if settings.to is not None:
        backup_members.archived()


@component("Backup")
def schedule_member(settings: Settings, layout: Cluster, with_files: bool) -> None:
    """The database's backup, by the member that leads."""
    if settings.to is not None:
        backup_members.scheduled(_backups(settings, layout, clustered=True), with_files=with_files)


@component("Backup")
def schedule_files(settings: Settings, layout: Cluster, kept: Sequence[str], alone: bool) -> None:
    """The backup of the paths ``kept``, ``alone`` where this host is no member."""
    if settings.to is not None:
        backup_members.files_scheduled(
            _backups(settings, layout, clustered=True), kept, alone=alone
        )


def _backups(settings: Settings, cluster: Cluster, *, clustered: bool = False) -> Backups:
    return Backups(backup_place.target(settings), settings.keep_full, cluster, clustered)


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
    """One place, with all that it needs, and nothing of another kind."""
    if settings.to is not None:
        yield from backup_place.mistakes(settings)
        if place.clustered:
            yield from backup_place.mistakes_of_members(settings.to)
        return
    for key in sorted(settings.model_fields_set - {"to"}):
        needed = "say as backup.to where backups go, or leave it out"
        yield Mistake(f"backup.{key}", "a value without backup.to", needed)


def requires(settings: Settings, place: Place) -> list[Need]:
    """The distribution's packages, what the place needs of them, and whose it is."""
    needs: list[Need] = [checks.packages()]
    if settings.to is None:
        return needs
    goes_to = backup_places.place(settings.to)
    if isinstance(goes_to, OtherHost) and place.with_database:
        needs.append(checks.sftp())
    if isinstance(goes_to, Folder):
        needs.append(checks.disk(goes_to.path))
    secrets, file = place.secrets, place.site.secrets_file
    if secrets is None or secrets.backup_key is None:
        return needs
    key = secrets.backup_key
    if isinstance(goes_to, Folder):
        needs.append(backup_owner.of_folder(key, file))
        room = goes_to.room
    else:
        target = backup_place.target(settings)
        opened = (target, secrets.backup_access, key, file)
        needs.append(backup_repository.inquiry(*opened, clustered=place.clustered))
        room = ""
    needs.append(backup_key.same_key(KEY_FILE, backup_target.key_text(key), room, file))
    return needs
