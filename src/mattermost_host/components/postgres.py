"""PostgreSQL on the host itself, or an external one by DSN."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from pydantic import BaseModel, Field
from pyinfra.api import deploy as component

from mattermost_host.certificates.pem import check_authorities
from mattermost_host.facts.database import own_major
from mattermost_host.facts.host import HostFacts
from mattermost_host.facts.place import UNASKED, Place
from mattermost_host.knowledge.clusters import Cluster
from mattermost_host.knowledge.dsn import dsn_mistakes
from mattermost_host.knowledge.postgresql_versions import NEWEST, OLDEST, PGDG_DEFAULT
from mattermost_host.knowledge.surface import Surface, Unit
from mattermost_host.knowledge.texts import STRICT, DataFolder, Line
from mattermost_host.ops import account, database, files, packages, pgdg, running
from mattermost_host.ops import cluster as cluster_of_host
from mattermost_host.ops.database_state import AskDatabase, Client
from mattermost_host.ops.entries import Directory, Entry, File
from mattermost_host.ops.hold import Hold
from mattermost_host.ops.postgresql_service import (
    OF_UNIT,
    SOCKET_FOLDER,
    USER,
    Archive,
    Writable,
    files_of,
    unit_files,
)
from mattermost_host.ops.upgrade_state import AskUpgrade
from mattermost_host.preflight import conflicts, dnf, postgresql
from mattermost_host.preflight.finding import Requirement
from mattermost_host.support.errors import Mistake, OperatorError
from mattermost_host.support.templates import render

LOCALE = "en_US.UTF-8"
NAME = "mattermost"
"""Name of role, database and system account, so that peer authentication needs no map."""
PORT = 5432
MAX_EXPOSURE, MAX_CONFINED = 2.0, 6.0
"""Without SELinux's confinement, which leaves fewer ways to sandbox it, and with it."""


class Settings(BaseModel):
    """The site's database."""

    model_config = STRICT

    dsn: Line | None = Field(
        default=None,
        description=(
            "An external PostgreSQL, e.g. `postgres://mattermost@db.example.com:5432/mattermost"
            "?sslmode=verify-full`. Nothing is installed then. Its password is in the secrets "
            "file (`database_password`)."
        ),
    )
    ca_certificate: Line | None = Field(
        default=None,
        description="File on the control machine with the authority of the external server.",
    )
    pgdg: bool = Field(
        default=False,
        description="Install from the PostgreSQL project's repository, not the distribution's.",
    )
    version: int | None = Field(
        default=None,
        ge=OLDEST,
        le=NEWEST,
        description=(
            "Major version with `pgdg`, or among the module streams of Enterprise Linux; without "
            "it the one that suits the release best."
        ),
    )
    folders: list[DataFolder] = Field(
        default=[],
        description=(
            "Folders besides its data folder that PostgreSQL may write to, for tablespaces or the "
            "WAL on a disk of its own, e.g. `/srv/tablespaces`. The rest of the host is read-only "
            "for it."
        ),
    )

    @property
    def local(self) -> bool:
        """Whether the site runs its own PostgreSQL."""
        return self.dsn is None


def major(settings: Settings, facts: HostFacts) -> int:
    """The major version that runs on this host: that of the site's cluster, until it is moved."""
    asked = newest(settings, facts)
    return own_major(facts) or asked


def newest(settings: Settings, facts: HostFacts) -> int:
    """The major version that a first deploy takes on this host, and that a move leads to."""
    if settings.pgdg:
        _check_pgdg(facts)
        return settings.version or PGDG_DEFAULT
    found = settings.version or facts.platform.postgresql
    assert found  # every row with a family has a PostgreSQL
    return found


def _check_pgdg(facts: HostFacts) -> None:
    platform = facts.platform
    if facts.family.package_manager == "apt" and not platform.code_name:
        raise OperatorError(
            f"The PostgreSQL project has no packages for {platform.name} {facts.release} that we "
            "know. Write pgdg = False, or state an external database as `postgres.dsn`."
        )


def cluster(settings: Settings, facts: HostFacts) -> Cluster:
    """The cluster that will run on this host."""
    return layout_of(settings, facts, major(settings, facts))


def layout_of(settings: Settings, facts: HostFacts, version: int) -> Cluster:
    """A cluster of a major version from the packages that the site takes."""
    layout = (facts.family.cluster_of_pgdg if settings.pgdg else facts.family.cluster)(version)
    # A newer release may have no modules, as Enterprise Linux 10.
    return layout if facts.platform.postgresql_streams else replace(layout, streams={})


def unit(settings: Settings, facts: HostFacts) -> str:
    """The cluster's own unit; Debian's ``postgresql.service`` is for all clusters."""
    return cluster(settings, facts).unit


def client(layout: Cluster) -> Client:
    """The cluster's psql."""
    return Client(PORT, f"{layout.programs}/psql", f"{layout.data}/postmaster.pid")


def probe(layout: Cluster) -> str:
    """Shell command that succeeds if it answers, or is starting or recovering."""
    asked = f"{layout.programs}/pg_isready -q -h {SOCKET_FOLDER} -p $port"
    return f"{client(layout).find_port} {asked}; [ $? -le 1 ]"


def for_upgrade(settings: Settings, facts: HostFacts) -> AskUpgrade:
    """The question before an upgrade of the server that uses this database."""
    layout = cluster(settings, facts)
    return AskUpgrade(NAME, client(layout), layout.data)


def settings_files(
    layout: Cluster,
    parameters: Mapping[str, str],
    before_start: Sequence[str],
    writable: Writable,
) -> tuple[File, ...]:
    """What a deploy writes for a cluster: of its unit, its parameters, its access rules."""
    wanted = {**_guarded(layout), **parameters}
    every = (*unit_files(layout, before_start, writable), *_entries(layout, wanted))
    of_unit, *others = files_of(layout)
    paths = (f"{of_unit}/{OF_UNIT}", *others)
    return tuple(one for one in every if isinstance(one, File) and one.path in paths)


def surface(settings: Settings, place: Place) -> Surface:
    """The cluster's unit; it listens on its socket only, so there is no port."""
    # The cluster depends on the host's facts.
    if not settings.local or place.facts is UNASKED:
        return Surface()
    layout = cluster(settings, place.facts)
    bound = MAX_CONFINED if layout.confined else MAX_EXPOSURE
    return Surface(units=(Unit(layout.unit, USER, bound, probe(layout)),))


@component("PostgreSQL")
def deploy(
    settings: Settings,
    facts: HostFacts,
    parameters: Mapping[str, str],
    before_start: Sequence[str],
    archive: Archive | None,
    hold: Hold | None,
) -> None:
    """``parameters`` come from sizing; ``before_start`` makes the unit wait, ``hold`` users."""
    layout = cluster(settings, facts)
    of_unit, drop_in, access = files_of(layout)
    # Before the packages: neither a preset nor a boot then starts a cluster as they leave it.
    of_service = list(unit_files(layout, before_start, Writable(tuple(settings.folders), archive)))
    service = files.present(name="its unit waits for our settings", entries=of_service)
    _installed(settings, facts, layout)
    account.unprivileged(name="the account is unprivileged", user=USER, login="/bin/bash")
    cluster_of_host.exists(layout, facts, LOCALE)
    wanted = {**_guarded(layout), **parameters}
    written = files.present(
        name="settings and access rules are in place", entries=list(_entries(layout, wanted))
    )
    running.running(
        name="PostgreSQL is running",
        unit=layout.unit,
        restart_on=[of_unit],
        reload_on=[drop_in, access],
        after=[service, written],
        probe=probe(layout),
        hold=hold,
    )
    database.present(
        name="role, database and schema belong to Mattermost",
        question=_question(layout, tuple(wanted)),
        locale=LOCALE,
        unit=layout.unit,
        parameters=wanted,
        after=[written],
        hold=hold,
    )


def _question(layout: Cluster, parameters: tuple[str, ...]) -> AskDatabase:
    _, drop_in, _ = files_of(layout)
    made_in = layout.data if layout.setup else ""
    return AskDatabase(NAME, parameters, drop_in, client(layout), layout.major, made_in)


def _guarded(layout: Cluster) -> dict[str, str]:
    """Parameters that only we may set: others could lose data, let somebody in, block writes."""
    # The sandbox forbids to run what was just written to memory; such a query would fail.
    uncompiled = {} if layout.confined else {"jit": "off"}
    return {
        # If the port was in use when the cluster was created, it got another one.
        "port": str(PORT),
        "listen_addresses": "''",
        "unix_socket_directories": f"'{SOCKET_FOLDER}'",
        "fsync": "on",
        "full_page_writes": "on",
        "default_transaction_read_only": "off",
        "hba_file": f"'{files_of(layout)[2]}'",
        **uncompiled,
    }


def _installed(settings: Settings, facts: HostFacts, layout: Cluster) -> None:
    if settings.pgdg:
        pgdg.known(facts.family, facts.platform, facts.architecture, layout.major)
    packages.installed(
        name=f"PostgreSQL {layout.name[0]} is installed",
        packages=layout.packages,
        manager=facts.family.package_manager,
        streams=layout.streams,
    )


def _entries(layout: Cluster, wanted: Mapping[str, str]) -> Iterator[Entry]:
    """The settings of the cluster, and its access rules."""
    _, drop_in, access = files_of(layout)
    before = f"{layout.data}/postgresql.conf" if layout.setup else ""
    # Where it says `disabled`, Debian's program starts no cluster, and yet the unit ends well.
    start = File(f"{layout.settings}/start.conf", "auto\n", "644", USER, USER)
    yield Directory(layout.settings) if layout.setup else start
    yield File(drop_in, render("postgres/postgresql.conf.j2", parameters=wanted, before=before))
    rules = render("postgres/pg_hba.conf.j2", name=NAME)
    yield File(access, rules, "640", "root" if layout.setup else USER, USER, guards=True)


def mistakes(settings: Settings, place: Place) -> Iterator[Mistake]:
    """Mistakes in how the settings go together."""
    if settings.dsn:
        yield from dsn_mistakes(settings.dsn, "postgres.dsn", place.site.secrets_file)
        if settings.pgdg or settings.version or settings.folders:
            yield Mistake(
                "postgres",
                "dsn together with pgdg, version or folders",
                "an external PostgreSQL is not installed by us; leave them out",
            )
    yield from check_authorities("postgres.ca_certificate", settings.ca_certificate)


def in_its_place(settings: Settings) -> Requirement:
    """The check of which PostgreSQL the site runs on, and whether it is to be moved."""
    return postgresql.in_its_place(
        lambda facts: newest(settings, facts),
        pgdg=settings.pgdg,
        stated=settings.version is not None,
    )


def requires(settings: Settings, place: Place) -> list[Requirement]:
    """A PostgreSQL that the release starts with, and no other cluster."""
    return [
        postgresql.version_suits(
            lambda facts: major(settings, facts),
            place.site.version_on,
            None if settings.pgdg else settings.version,
        ),
        in_its_place(settings),
        postgresql.data_is_writable(lambda facts: cluster(settings, facts), settings.folders),
        conflicts.no_other_postgresql(lambda facts: cluster(settings, facts)),
        dnf.module_stream(
            "postgresql",
            "postgresql-server",
            lambda facts: cluster(settings, facts).streams.get("postgresql"),
        ),
    ]
