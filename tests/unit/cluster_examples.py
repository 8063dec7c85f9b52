"""A site whose database is on several hosts: its peers, and a place on one of them."""

from datetime import UTC, datetime
from functools import cache

from pydantic import SecretStr

from mattermost_host.certificates.authority import Pair, new_authority, new_leaf
from mattermost_host.components import etcd, patroni
from mattermost_host.facts.host import HostFacts
from mattermost_host.facts.place import Peer, Place
from tests.unit.examples import ABOUT, DEBIAN_12

DATABASES = tuple(
    Peer(f"db{number}", ("db", "etcd"), private_address=f"10.0.0.{number}") for number in (1, 2, 3)
)
SERVER = Peer("chat", ("app", "proxy"), private_address="10.0.0.9")
PEERS = (*DATABASES, SERVER)
PASSWORDS = {name: SecretStr(f"{name}-Password-1") for name in ("mattermost", *patroni.PASSWORDS)}


@cache
def pair() -> Pair:
    """The certificate of db1 for connections between hosts."""
    now = datetime.now(UTC)
    names = DATABASES[0].certificate_names
    return new_leaf(new_authority("example", now), names, now, "both", common_name=False)


def place(facts: HostFacts = DEBIAN_12, name: str = "db1") -> Place:
    """A place on one of the hosts."""
    roles = next(peer.roles for peer in PEERS if peer.name == name)
    return Place(ABOUT, name, facts, roles, PEERS)


def voter(here: Peer = DATABASES[0]) -> etcd.Member:
    """A member of etcd."""
    root, of_patroni = SecretStr("Root-Password-1"), SecretStr("Patroni-Password-1")
    first = here == DATABASES[0]
    return etcd.Member(
        here, DATABASES, "<authority>", pair(), root, of_patroni, keeps_order=first, founded=True
    )


def database(here: Peer = DATABASES[0], peers: tuple[Peer, ...] = PEERS) -> patroni.Member:
    """A member of the database's cluster."""
    return patroni.Member(
        here, peers, "<authority>", pair(), PASSWORDS, SecretStr("Patroni-Password-1")
    )
