"""How many hosts of which size a site needs that survives the loss of any one of them."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import ceil
from typing import Literal

from mattermost_host.knowledge import sizing
from mattermost_host.knowledge.postgresql_sizing import Pool
from mattermost_host.knowledge.sizing import HostSize, NginxSizing, Storage, Usage
from mattermost_host.knowledge.tiers import Hosts, Tier, tier

Source = Literal["published", "interpolated", "engine", "estimate"]
"""Where a size is from: the vendor's table, between two of its rows, the engine's own
documentation, or nobody's figure.
"""

SPARE = 1
"""Hosts of each role beyond those that carry the load: "the remaining ones must carry all of it"
(reference architecture).
"""
SAFETY = 2.0
"""Of the storage formula, 1 to 2; its worked example has 2."""
REPLICA_DISKS = (2, 3)
"""A replica that takes over has two to three times the disk of its leader (requirements)."""
ETCD = Hosts(3, 2, 8)
"""Three members lose one; size: etcd's hardware recommendations for a small cluster."""
STORAGE = Hosts(3, 2, 4)
"""Three hosts lose one. The vendor names no size; this is its smallest application server's."""
DOCUMENTED_OPEN_FILES = 65_536
"""LimitNOFILE of an application server (high-availability page)."""
SOCKETS_PER_USER = sizing.SOCKETS_PER_USER


@dataclass(frozen=True)
class Group:
    """The hosts of one role."""

    role: str
    purpose: str
    carry: int
    """Hosts that carry the whole load."""
    cpus: int
    memory_gb: int
    source: Source
    spare: int = SPARE
    disk: Storage | None = None
    """What its data take on each host after the months asked for, MB."""
    replica_disk: Storage | None = None
    """The same for each host that may take over, with the room the requirements ask for, MB."""

    @property
    def hosts(self) -> int:
        """All hosts of the role."""
        return self.carry + self.spare


@dataclass(frozen=True)
class Connections:
    """Arithmetic of the pools, sockets and files."""

    pool: int
    """``SqlSettings.MaxOpenConns`` of each application server."""
    max_connections: int
    """PostgreSQL's ``max_connections`` on each database host."""
    sockets: int
    """WebSockets of one application server while all that are needed, and no more, are at work."""
    open_files: int
    """LimitNOFILE of an application server."""
    proxy: NginxSizing
    """NGINX's limits on each proxy."""


@dataclass(frozen=True)
class Architecture:
    """What a site of ``users`` needs, on one host and on many."""

    users: int
    concurrent: int
    usage: Usage
    months: int
    one_host: HostSize
    one_host_source: Source
    groups: tuple[Group, ...]
    connections: Connections
    storage: Storage
    """Database and files together after ``months``, MB."""


def design(
    users: int, concurrent: int | None = None, usage: Usage = "medium", months: int = 12
) -> Architecture:
    """Size a site for ``users`` accounts, ``concurrent`` of them at the same time (all of them).

    Raises OperatorError above the largest published tier.
    """
    together = users if concurrent is None else concurrent
    wanted = tier(together)
    return Architecture(
        users,
        together,
        usage,
        months,
        # The requirements count accounts, the tiers those who are there at the same time.
        sizing.one_host(min(users, max(together, sizing.LARGEST_TEAM))),
        "published" if users <= sizing.LARGEST_TEAM else "interpolated",
        tuple(_groups(wanted, users, usage, months)),
        _connections(wanted),
        sizing.storage(users, usage, SAFETY, months),
    )


def _groups(wanted: Tier, users: int, usage: Usage, months: int) -> Iterator[Group]:
    source: Source = "published" if wanted.published else "interpolated"

    def group(role: str, purpose: str, hosts: Hosts) -> Group:
        return Group(role, purpose, hosts.count, hosts.cpus, hosts.memory_gb, source)

    texts = sizing.storage(users, "low", SAFETY, months)
    together = sizing.storage(users, usage, SAFETY, months)
    least, most = REPLICA_DISKS
    yield group("proxy", "NGINX", _proxies(wanted))
    yield group("app", "Mattermost", wanted.app)
    yield replace(
        group("db", "PostgreSQL", wanted.database),
        disk=texts,
        replica_disk=Storage(least * texts.most_mb, most * texts.most_mb),
    )
    yield Group("etcd", "elects the leader", 2, ETCD.cpus, ETCD.memory_gb, "engine")
    # As if each host held all files: what an engine saves by parity is its own.
    yield Group(
        "storage", "files by S3", 2, STORAGE.cpus, STORAGE.memory_gb, "estimate", 1, together
    )
    if wanted.search:
        yield group("search", "search engine", wanted.search)
    if wanted.cache:
        yield group("cache", "Redis", wanted.cache)


def _proxies(wanted: Tier) -> Hosts:
    """As published, and as many as NGINX's connections need."""
    most = sizing.MOST_OPEN_FILES // 2
    needed = ceil(2 * SOCKETS_PER_USER * wanted.users * 5 / 4 / most)
    return Hosts(max(wanted.proxy.count, needed), wanted.proxy.cpus, wanted.proxy.memory_gb)


def _connections(wanted: Tier) -> Connections:
    pool = Pool(nodes=wanted.app.count + SPARE)
    sockets = ceil(SOCKETS_PER_USER * wanted.users / wanted.app.count)
    # A file for each socket and for a request beside it, and the pools to the database's hosts.
    files = 2 * sockets + pool.max_open * (wanted.database.count + SPARE)
    return Connections(
        pool.max_open,
        pool.connections,
        sockets,
        max(DOCUMENTED_OPEN_FILES, files),
        sizing.nginx(ceil(wanted.users / _proxies(wanted).count)),
    )
