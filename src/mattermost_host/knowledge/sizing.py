"""Sizing: hosts, storage and NGINX's limits by users; the kernel's reserve by memory.

Units: 1 MB is 2**20 bytes, as ``df -m``, /proc/meminfo divided by 1,024 and PostgreSQL count.
"""

from dataclasses import dataclass
from typing import Literal

from mattermost_host.support.errors import OperatorError

GIB_MB = 1024
DECIMAL_GB_MB = 1_000_000_000 / 2**20
"""A GB of the vendor's documents in MB, counted as 10**9 bytes: firmware and kernel take up to 7 %
of a machine's 2 GiB.
"""

Usage = Literal["low", "medium", "high"]

USAGE = {"low": (1, 5), "medium": (5, 25), "high": (25, 100)}
"""MB for each user and month, from and to: text and links; documents and screenshots; creative
media. Source: the software and hardware requirements.
"""

BASE_MB = 800
"""Operating system, database and server without content: 600 to 800 MB by the requirements."""

SMALLEST_DISK_MB = 10 * GIB_MB
"""10 GB free; source: the preparations page."""


@dataclass(frozen=True)
class Hosts:
    """A number of hosts of one size."""

    count: int
    cpus: int
    memory_gb: int


@dataclass(frozen=True)
class Tier:
    """A reference architecture for ``users`` at the same time."""

    users: int
    app: Hosts
    database: Hosts
    """Including the writer; the others are readers."""
    search: Hosts | None
    proxy: Hosts
    cache: Hosts | None = None


_PROXY = Hosts(1, 16, 64)

TIERS = (
    Tier(200, Hosts(1, 2, 4), Hosts(1, 2, 16), None, _PROXY),
    Tier(2_000, Hosts(2, 2, 4), Hosts(2, 2, 16), Hosts(2, 4, 32), _PROXY),
    Tier(15_000, Hosts(2, 4, 8), Hosts(2, 4, 32), Hosts(2, 4, 32), _PROXY),
    Tier(30_000, Hosts(2, 8, 16), Hosts(2, 8, 64), Hosts(4, 8, 64), _PROXY),
    Tier(50_000, Hosts(5, 8, 16), Hosts(5, 8, 64), Hosts(4, 8, 64), _PROXY),
    Tier(80_000, Hosts(4, 16, 32), Hosts(4, 16, 128), Hosts(4, 8, 64), _PROXY),
    Tier(90_000, Hosts(5, 16, 32), Hosts(5, 16, 128), Hosts(4, 8, 64), _PROXY),
    Tier(100_000, Hosts(6, 16, 32), Hosts(6, 16, 128), Hosts(4, 8, 64), _PROXY),
    Tier(
        200_000,
        Hosts(14, 16, 32),
        Hosts(7, 16, 128),
        Hosts(4, 8, 64),
        Hosts(4, 32, 128),
        Hosts(1, 8, 32),
    ),
)
"""Source: the vendor's scaling pages, measured on 9.5 with PostgreSQL 14 and 100 million posts.
Their proxy is oversized in the small tiers. For sizes in between, the next larger one.
"""


@dataclass(frozen=True)
class HostSize:
    """The minimum for one host in all roles."""

    cpus: int
    memory_mb: int


@dataclass(frozen=True)
class Storage:
    """Disk space for the first year, MB."""

    least_mb: int
    most_mb: int


def tier(concurrent_users: int) -> Tier:
    """The reference architecture for ``concurrent_users``.

    Raises OperatorError above the largest published one.
    """
    for each in TIERS:
        if concurrent_users <= each.users:
            return each
    raise OperatorError(
        f"No architecture is published for {concurrent_users:,} users at the same time; the "
        f"largest carries {TIERS[-1].users:,}. Split the site, or measure with the vendor's "
        "load-test-ng and size it by hand."
    )


def one_host(registered_users: int) -> HostSize:
    """What one host in all roles needs for ``registered_users``.

    Up to 1,000 users 1 vCPU and 2 GB, up to 2,000 users 2 vCPU and 4 GB (software and hardware
    requirements). Above that, the application servers and the writing database of the reference
    tier together, as if all users were active at once, to be on the safe side. Raises OperatorError
    above the largest tier.
    """
    if registered_users <= 1_000:
        return HostSize(1, _memory_mb(2))
    if registered_users <= 2_000:
        return HostSize(2, _memory_mb(4))
    wanted = tier(registered_users)
    cpus = wanted.app.count * wanted.app.cpus + wanted.database.cpus
    memory = wanted.app.count * wanted.app.memory_gb + wanted.database.memory_gb
    return HostSize(cpus, _memory_mb(memory))


def storage(users: int, usage: Usage = "medium", safety: float = 1.0) -> Storage:
    """Disk space that ``users`` fill in a year, from and to; at least 10 GB.

    ``BASE_MB + users * MB per month * 12 * safety``, safety 1 to 2. Source: the requirements; for
    30 users of medium usage with safety 2 they give 3,600 to 18,000 MB (3.5 to 17.6 GB) without the
    base.
    """
    least, most = (BASE_MB + round(users * rate * 12 * safety) for rate in USAGE[usage])
    return Storage(max(SMALLEST_DISK_MB, least), max(SMALLEST_DISK_MB, most))


@dataclass(frozen=True)
class NginxSizing:
    """Limits of NGINX."""

    worker_connections: int
    open_files: int
    """LimitNOFILE of the unit and worker_rlimit_nofile alike."""


SOCKETS_AT_LEAST = 10_000
SOCKETS_PER_USER = 2
"""A desktop client and a phone, both connected."""


def nginx(users: int) -> NginxSizing:
    """Limits with connections for all users' WebSockets, and for at least 10,000.

    A proxied WebSocket is two connections (client and upstream), and one worker must be able to
    hold them all, because the kernel does not spread them evenly. Another quarter is for ordinary
    requests. Each connection needs a file descriptor, and may have a file open (measured: with
    1,024 connections about 450 users fill the proxy, and then ordinary requests fail too). More
    than the kernel allows a process needs several proxies.
    """
    sockets = max(SOCKETS_AT_LEAST, SOCKETS_PER_USER * users)
    connections = min(2 * sockets * 5 // 4, MOST_OPEN_FILES // 2)
    return NginxSizing(connections, 2 * connections)


MOST_OPEN_FILES = 2**20
"""The kernel's default ``fs.nr_open``: with a higher limit the unit would not start."""

MIN_FREE_PERCENT = 2
MOST_FREE_KB = 512 * 1024
"""Upper bound, 2 % of 25 GB: more would be wasted memory."""


def min_free_kbytes(memory_mb: int) -> int:
    """``vm.min_free_kbytes`` in KB: 2 % of the memory.

    The vendor's documents state 167,772, which is 2 % of 8 GB and harms a host with 2 GB.
    """
    return min(memory_mb * 1024 * MIN_FREE_PERCENT // 100, MOST_FREE_KB)


def _memory_mb(documented_gb: int) -> int:
    return int(documented_gb * DECIMAL_GB_MB)
