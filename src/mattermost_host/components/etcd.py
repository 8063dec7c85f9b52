"""etcd: the site's three or five voters, which decide which PostgreSQL is the leader.

All connections are TLS with certificates of the site's own authority on both ends. Patroni has an
account of its own, which may write below its own prefix only.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, SecretStr
from pyinfra.api import deploy as component

from mattermost_host.certificates.authority import Pair
from mattermost_host.facts.place import Peer, Place
from mattermost_host.knowledge.families import Family
from mattermost_host.knowledge.surface import Peers, Port, SecretFile, Surface, Unit, Wanted
from mattermost_host.knowledge.texts import STRICT
from mattermost_host.ops import (
    etcd_accounts,
    etcd_members,
    files,
    packages,
    running,
    what_was_read,
)
from mattermost_host.ops.entries import Alone, Directory, Entry, File
from mattermost_host.ops.etcd_accounts import Accounts
from mattermost_host.ops.etcd_members import AskVoters, Voter
from mattermost_host.preflight import cluster, conflicts
from mattermost_host.preflight.finding import Requirement
from mattermost_host.support.addresses import in_url
from mattermost_host.support.templates import render

UNIT = "etcd.service"
USER = "etcd"
DROP_IN_FOLDER = f"/etc/systemd/system/{UNIT}.d"
DROP_IN = "mattermost-host.conf"
FOR_ONE_START = f"/run/systemd/system/{UNIT}.d"
FOLDER = "/etc/mattermost-host/etcd"
CONFIGURATION = f"{FOLDER}/etcd.yaml"
AUTHORITY, CERTIFICATE, KEY = (f"{FOLDER}/{one}.pem" for one in ("authority", "host", "host-key"))
ACCESS = f"{FOLDER}/etcdctl.env"
"""What etcdctl needs on this host: `set -a; . FILE; etcdctl member list`."""
DATA = "/var/lib/etcd/mattermost-host"
CLIENTS, MEMBERS = 2379, 2380
ROOT, OF_PATRONI = "etcd-root", "etcd-patroni"
"""Names of the accounts' passwords among the secrets."""
STARTED_WITHIN_S = 120
"""A first member waits for the others, whose packages may still be installed."""


class Settings(BaseModel):
    """The voters of the database's cluster; everything is decided by the list `etcd`."""

    model_config = STRICT


@dataclass(frozen=True)
class Member:
    """This host among the members, and what it proves itself with."""

    here: Peer
    members: tuple[Peer, ...]
    authority: str
    pair: Pair
    root_password: SecretStr
    patroni_password: SecretStr
    keeps_order: bool
    """Whether it is the one that looks after accounts and members for all."""
    founded: bool
    """Whether there is a cluster already, which a host without data joins."""

    @property
    def others(self) -> list[Peer]:
        """The other members."""
        return [one for one in self.members if one != self.here]


def surface(settings: Settings, place: Place) -> Surface:
    """The unit, its two ports, which only members and databases reach, and its keys."""
    address = place.here.address if place.name else ""
    members = Peers(("etcd",))
    return Surface(
        units=(Unit(UNIT, USER, 1.5, probe(address)),),
        ports=(
            Port(CLIENTS, "etcd", Peers(("etcd", "db")), process="etcd", address=address),
            Port(MEMBERS, "etcd, between members", members, process="etcd", address=address),
        ),
        secret_files=(SecretFile(KEY, group=USER, mode="640"), SecretFile(ACCESS)),
    )


def probe(address: str) -> str:
    """Shell command that succeeds if this member answers, with or without a majority."""
    tls = f"--cacert {AUTHORITY} --cert {CERTIFICATE} --key {KEY}"
    return (
        f"curl --silent --noproxy '*' {tls} -o /dev/null https://{in_url(address)}:{CLIENTS}/health"
    )


@component("etcd")
def deploy(settings: Settings, family: Family, member: Member, before_start: Sequence[str]) -> None:
    """Install a member; ``before_start`` makes the unit wait."""
    # Before the packages, which would start a cluster of their own.
    guarded = files.present(name="its unit waits for our settings", entries=_unit(before_start))
    packages.installed(
        name="etcd is installed", packages=family.etcd, manager=family.package_manager
    )
    written = files.present(name="settings and keys are in place", entries=list(_entries(member)))
    question, voter = asked(member.here, member.members), _voter(member)
    etcd_members.formed(name="the members have found each other", question=question, voter=voter)
    etcd_members.joined(name="a new member joins the others", question=question, voter=voter)
    running.running(
        name="etcd is running",
        unit=UNIT,
        restart_on=[DROP_IN_FOLDER, CONFIGURATION, AUTHORITY],
        after=[guarded, written],
        probe=probe(member.here.address),
        gate=running.Gate(_healthy(member.here.address), STARTED_WITHIN_S),
        one_after_another=True,
    )
    # The members share their accounts, and etcd takes long to check a password: one of them asks.
    if member.keeps_order:
        etcd_members.only(name="the inventory names all members", question=question, access=ACCESS)
        etcd_accounts.present(
            name="only accounts of ours may read and write",
            access=ACCESS,
            accounts=Accounts(member.root_password, member.patroni_password),
        )


def asked(here: Peer, members: Sequence[Peer]) -> AskVoters:
    """The question who the members are, first to the one on this host."""
    ordered = sorted(members, key=lambda one: one != here)
    urls = tuple(_url(one, MEMBERS) for one in ordered)
    return AskVoters(urls, f"{_url(here, CLIENTS)}/health", DATA, AUTHORITY, CERTIFICATE, KEY)


def _voter(member: Member) -> Voter:
    others = tuple(_url(one, CLIENTS) for one in member.others)
    here = member.here.name
    return Voter(here, UNIT, FOR_ONE_START, CONFIGURATION, ACCESS, others, member.founded)


def _healthy(address: str) -> str:
    return f"{probe(address)} --fail"


def _unit(before_start: Sequence[str]) -> list[Entry]:
    ours_first = f"AssertPathExists={CONFIGURATION}"
    note = what_was_read.noted_at_start([DROP_IN_FOLDER, CONFIGURATION, AUTHORITY])
    drop_in = render(
        "etcd/service.conf.j2",
        before_start=[ours_first, *before_start],
        note=note,
        configuration=CONFIGURATION,
        data=DATA,
    )
    return [
        Directory(DROP_IN_FOLDER),
        Alone(DROP_IN_FOLDER, (DROP_IN,)),
        File(f"{DROP_IN_FOLDER}/{DROP_IN}", drop_in),
    ]


def _entries(member: Member) -> Iterator[Entry]:
    yield Directory("/etc/mattermost-host")
    yield Directory(FOLDER)
    yield File(AUTHORITY, member.authority)
    yield File(CERTIFICATE, member.pair.certificate)
    key = member.pair.key.get_secret_value()
    yield File(KEY, key, "640", group=USER, secret=True)
    access = render(
        "etcd/etcdctl.env.j2",
        endpoint=_url(member.here, CLIENTS),
        authority=AUTHORITY,
        certificate=CERTIFICATE,
        key=KEY,
        root=f"root:{member.root_password.get_secret_value()}",
    )
    yield File(ACCESS, access, "600", secret=True)
    yield File(CONFIGURATION, configuration(member.here, member.members))


def configuration(here: Peer, members: Sequence[Peer]) -> str:
    """etcd.yaml."""
    return render(
        "etcd/etcd.yaml.j2",
        name=here.name,
        data=DATA,
        clients=_url(here, CLIENTS),
        peers=_url(here, MEMBERS),
        members=",".join(f"{one.name}={_url(one, MEMBERS)}" for one in members),
        authority=AUTHORITY,
        certificate=CERTIFICATE,
        key=KEY,
    )


def _url(peer: Peer, port: int) -> str:
    return f"https://{in_url(peer.address)}:{port}"


def secrets(settings: Settings, place: Place) -> Wanted:
    """A certificate for each member, and the passwords of both accounts."""
    members = place.having("etcd")
    if not members:
        return Wanted()
    return Wanted(
        between_hosts={one.purpose: one.certificate_names for one in members},
        passwords=frozenset({ROOT, OF_PATRONI}),
    )


def requires(settings: Settings, place: Place) -> list[Requirement]:
    """A family whose packages we know, free ports, and no cluster of somebody else."""
    return [
        cluster.has_packages("etcd", lambda facts: bool(facts.family.etcd)),
        conflicts.ports_free(surface(settings, place).ports),
    ]
