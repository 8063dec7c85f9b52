"""PostgreSQL on several hosts: one leader and its replicas, decided by Patroni and etcd.

The cluster is Patroni's own: the packages' is never created. A write is acknowledged when a second
host has it. All connections between hosts are TLS, and the certificate is verified.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, Field, SecretStr
from pyinfra.api import deploy as component

from mattermost_host.certificates.authority import Pair
from mattermost_host.facts.host import HostFacts
from mattermost_host.facts.place import Peer, Place
from mattermost_host.knowledge import patroni as known
from mattermost_host.knowledge.clusters import Cluster
from mattermost_host.knowledge.surface import Peers, Port, SecretFile, Surface, Unit, Wanted
from mattermost_host.knowledge.texts import STRICT, Line
from mattermost_host.ops import (
    account,
    database,
    database_accounts,
    database_watch,
    files,
    packages,
    patroni_members,
    patroni_program,
    patroni_settings,
    running,
    what_was_read,
)
from mattermost_host.ops.database_accounts import Account
from mattermost_host.ops.database_state import AskDatabase, Client
from mattermost_host.ops.database_watch import Watched
from mattermost_host.ops.entries import Alone, Directory, Entry, File
from mattermost_host.ops.patroni_members import Handover
from mattermost_host.ops.patroni_program import Program
from mattermost_host.ops.patroni_state import AskCluster, Way
from mattermost_host.ops.postgresql_service import SOCKET_FOLDER, USER
from mattermost_host.preflight import cluster, conflicts
from mattermost_host.preflight.finding import Need
from mattermost_host.releases.patroni import PatroniWheel
from mattermost_host.support.addresses import file_mistakes, in_url
from mattermost_host.support.errors import Mistake
from mattermost_host.support.templates import render

UNIT = "patroni.service"
UNIT_FILE = f"/etc/systemd/system/{UNIT}"
FOLDER = "/etc/mattermost-host/patroni"
CONFIGURATION = f"{FOLDER}/patroni.yml"
ACCESS_RULES = f"{FOLDER}/pg_hba.conf"
AUTHORITY, CERTIFICATE, KEY = (f"{FOLDER}/{one}.pem" for one in ("authority", "host", "host-key"))
NO_CLUSTER = "/etc/postgresql-common/createcluster.d/mattermost-host.conf"
REST, POSTGRESQL, ETCD = 8008, 5432, 2379
OWNER, REPLICATOR, REWIND = "mattermost", "replicator", "rewind"
"""PostgreSQL's accounts: the site's, and Patroni's two."""
PASSWORDS = (REPLICATOR, REWIND)
LOCALE = "en_US.UTF-8"
LEADER_WITHIN_S = 60
"""The first member makes the cluster; afterwards a lost leader is replaced in 30."""


class Settings(BaseModel):
    """The database on several hosts; what there is to say of it stands under `postgres`."""

    model_config = STRICT

    wheel: Line | None = Field(
        default=None,
        description=f"On Debian 12: path of `{known.WHEEL}` on the control machine, "
        "which is known by its digest. Without it pip gets the file from PyPI.",
    )


@dataclass(frozen=True)
class Member:
    """This host among the databases, and what it proves itself with."""

    here: Peer
    peers: tuple[Peer, ...]
    authority: str
    pair: Pair
    passwords: Mapping[str, SecretStr]
    """Of PostgreSQL's accounts, by their names."""
    etcd_password: SecretStr
    etcd_access: str = ""
    """The file with what etcdctl needs; empty where this host is no voter."""

    def addresses(self, role: str) -> list[str]:
        """The addresses of the hosts of a role."""
        return [one.address for one in self.peers if role in one.roles]

    def networks(self, role: str) -> list[str]:
        """The same as networks of one address each."""
        return [f"{one}/{128 if ':' in one else 32}" for one in self.addresses(role)]


def surface(settings: Settings, place: Place) -> Surface:
    """Patroni's unit; PostgreSQL for servers and members, Patroni's own port for who asks it."""
    address = place.here.address if place.name else ""
    asking = Peers(("db", "app"))
    return Surface(
        units=(Unit(UNIT, USER, 2.0, way(address).probe), database_watch.unit()),
        ports=(
            Port(POSTGRESQL, "PostgreSQL", asking, process="postgres", address=address),
            Port(REST, "Patroni's checks", asking, process="patroni", address=address),
        ),
        secret_files=(
            SecretFile(CONFIGURATION, group=USER, mode="640"),
            SecretFile(KEY, USER, USER),
        ),
    )


def way(address: str) -> Way:
    """How Patroni is asked on the host with this address."""
    return Way(f"https://{in_url(address)}:{REST}", AUTHORITY, CERTIFICATE, KEY)


@component("Patroni")
def deploy(
    settings: Settings,
    facts: HostFacts,
    layout: Cluster,
    member: Member,
    parameters: Mapping[str, str],
    before_start: Sequence[str],
    wheel: PatroniWheel | None,
) -> None:
    """``parameters`` are sized for this host, whose own Patroni is used without a ``wheel``."""
    asked = way(member.here.address)
    question = AskCluster(asked, member.here.name)
    client = Client(POSTGRESQL, f"{layout.programs}/psql", f"{layout.data}/postmaster.pid")
    program = patroni_program.UNPACKED if wheel else patroni_program.PACKAGED
    _installed(facts, layout, program, _unit(layout, before_start, program))
    unpacked = patroni_program.present(wheel) if wheel else []
    entries = list(_entries(member, layout, parameters))
    written = files.present(name="settings, access rules and keys are in place", entries=entries)
    running.running(
        name="Patroni is running",
        unit=UNIT,
        restart_on=[UNIT_FILE, f"{UNIT_FILE}.d", *program.read],
        reload_on=[CONFIGURATION, ACCESS_RULES, AUTHORITY, CERTIFICATE],
        after=[*unpacked, written],
        probe=asked.probe,
        gate=running.Gate(asked.has_leader, LEADER_WITHIN_S),
        hold=Handover(asked, member.here.name),
        one_after_another=True,
    )
    # Replicas can't copy the leader's data before they can log in there.
    of_patroni = _of_patroni(member)
    database_accounts.present(name="Patroni's accounts exist", client=client, accounts=of_patroni)
    patroni_members.follows(name="PostgreSQL leads or follows", question=question)
    patroni_settings.present(
        name="all members have the same settings",
        question=question,
        wanted=known.of_all_members(parameters),
    )
    _database(client, int(layout.name[0]), member.passwords[OWNER])
    database_watch.runs(name="leaders are moved in time", by=_watch(member, layout), after=written)


def _database(client: Client, major: int, password: SecretStr) -> None:
    database.present(
        name="role, database and schema belong to Mattermost",
        question=AskDatabase(OWNER, (), "", client, major, may_follow=True),
        locale=LOCALE,
        unit=UNIT,
        parameters={},
    )
    owner = Account(OWNER, password)
    database_accounts.present(name=f"{OWNER} has its password", client=client, accounts=[owner])


def _watch(member: Member, layout: Cluster) -> Watched:
    urls = {one.name: way(one.address).url for one in member.peers if "db" in one.roles}
    here, etcd = member.here, f"https://{in_url(member.here.address)}:{ETCD}"
    return Watched(here.name, layout.above, way(here.address), urls, etcd, member.etcd_access)


def _of_patroni(member: Member) -> list[Account]:
    replicator = Account(REPLICATOR, member.passwords[REPLICATOR], "LOGIN REPLICATION")
    rewind = Account(REWIND, member.passwords[REWIND], "LOGIN", known.TO_REWIND)
    return [replicator, rewind]


def _installed(facts: HostFacts, layout: Cluster, program: Program, unit: str) -> None:
    # Before the packages, which would create a cluster, and start Patroni without settings.
    never = "# Written by mattermost-host: Patroni has a cluster of its own.\n"
    files.present(
        name="the packages create no cluster",
        entries=[
            *map(Directory, ("/etc/postgresql-common", "/etc/postgresql-common/createcluster.d")),
            File(NO_CLUSTER, f"{never}create_main_cluster = false\n"),
            File(UNIT_FILE, unit),
            Alone(f"{UNIT_FILE}.d"),
        ],
    )
    packages.installed(
        name=f"Patroni and PostgreSQL {layout.name[0]} are installed",
        packages=[*layout.packages, *program.packages],
        manager=facts.family.package_manager,
    )
    account.unprivileged(name="the account is unprivileged", user=USER, login="/bin/bash")


def _unit(layout: Cluster, before_start: Sequence[str], program: Program) -> str:
    read = [UNIT_FILE, f"{UNIT_FILE}.d", CONFIGURATION, ACCESS_RULES, *program.read]
    return render(
        "patroni/patroni.service.j2",
        before_start=[f"AssertPathExists={CONFIGURATION}", *before_start],
        note=what_was_read.noted_at_start(read),
        program=program.patroni,
        configuration=CONFIGURATION,
        programs=layout.programs,
        user=USER,
        writable=[layout.above, *layout.logs],
    )


def _entries(member: Member, layout: Cluster, parameters: Mapping[str, str]) -> Iterator[Entry]:
    yield from map(Directory, ("/etc/mattermost-host", FOLDER))
    # Patroni itself makes only the last folder.
    yield Directory(layout.above, "755", USER, USER)
    yield File(AUTHORITY, member.authority)
    yield File(CERTIFICATE, member.pair.certificate)
    # PostgreSQL refuses a key that others than its account or root may read.
    yield File(KEY, member.pair.key.get_secret_value(), "600", USER, USER, secret=True)
    yield File(ACCESS_RULES, access_rules(member), "640", group=USER, guards=True)
    text = configuration(member, layout, parameters)
    yield File(CONFIGURATION, text, "640", group=USER, secret=True)
    yield from database_watch.entries(_watch(member, layout))


def access_rules(member: Member) -> str:
    """pg_hba.conf."""
    accounts = {"owner": OWNER, "replicator": REPLICATOR, "rewind": REWIND}
    servers, databases = map(member.networks, ("app", "db"))
    return render("patroni/pg_hba.conf.j2", **accounts, servers=servers, databases=databases)


def configuration(member: Member, layout: Cluster, parameters: Mapping[str, str]) -> str:
    """patroni.yml."""
    return render(
        "patroni/patroni.yml.j2",
        name=member.here.name,
        rest=f"{in_url(member.here.address)}:{REST}",
        postgresql=f"{in_url(member.here.address)}:{POSTGRESQL}",
        etcd=[f"{in_url(one)}:{ETCD}" for one in member.addresses("etcd")],
        etcd_password=member.etcd_password.get_secret_value(),
        passwords={name: member.passwords[name].get_secret_value() for name in PASSWORDS},
        authority=AUTHORITY,
        certificate=CERTIFICATE,
        key=KEY,
        layout=layout,
        locale=LOCALE,
        of_all=known.of_all_members(parameters),
        parameters={
            **known.of_member(parameters),
            "unix_socket_directories": SOCKET_FOLDER,
            "hba_file": ACCESS_RULES,
            "ssl": "on",
            "ssl_cert_file": CERTIFICATE,
            "ssl_key_file": KEY,
            "ssl_ca_file": AUTHORITY,
        },
    )


def secrets(settings: Settings, place: Place) -> Wanted:
    """A certificate for each database, and the passwords of the accounts."""
    if not place.having("etcd"):
        return Wanted()
    return Wanted(
        database_password=True,
        between_hosts={one.purpose: one.certificate_names for one in place.having("db")},
        passwords=frozenset(PASSWORDS),
    )


def mistakes(settings: Settings, place: Place) -> Iterator[Mistake]:
    """A wheel that is no file."""
    yield from file_mistakes("patroni.wheel", settings.wheel) if settings.wheel else ()


def requires(settings: Settings, place: Place) -> list[Need]:
    """A Patroni that loses nothing, free ports, and the same system on all hosts."""
    return [
        *cluster.patroni(),
        cluster.one_distribution(),
        conflicts.ports_free(surface(settings, place).ports),
    ]
