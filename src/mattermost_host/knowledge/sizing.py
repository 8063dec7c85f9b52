"""Users to hosts, storage and the limits of NGINX; a host's memory to the kernel's reserve.

Units: 1 MB is 2**20 bytes, as ``df -m``, /proc/meminfo divided by 1,024 and PostgreSQL count.
"""

from dataclasses import dataclass
from typing import Literal

from mattermost_host.support.errors import OperatorError

GIB_MB = 1024
DECIMAL_GB_MB = 1_000_000_000 / 2**20
"""A GB of the documents in MB. A machine sold with 2 GiB shows its system less than that; counted
as 2 * 10**9 bytes the documents' figure leaves it the 7 % that firmware and kernel take."""

Usage = Literal["low", "medium", "high"]

USAGE = {"low": (1, 5), "medium": (5, 25), "high": (25, 100)}
"""MB per user and month, from and to: text and links; documents and screenshots; creative media.
From the software and hardware requirements."""

BASE_MB = 800
"""Operating system, database and server without content: 600 to 800 MB by the requirements."""

SMALLEST_DISK_MB = 10 * GIB_MB
"""10 GB free by the preparations page."""


@dataclass(frozen=True)
class Hosts:
    """How many hosts of which size."""

    count: int
    cpus: int
    memory_gb: int


@dataclass(frozen=True)
class Tier:
    """A reference architecture: ``users`` at the same time."""

    users: int
    app: Hosts
    database: Hosts
    """Writer included, the others are readers."""
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
"""The vendor's scaling pages, measured on 9.5 with PostgreSQL 14 and 100 million posts. Their proxy
is over-specified in the small tiers. Sizes between them: the next larger one."""


@dataclass(frozen=True)
class HostSize:
    """What one host in all roles needs at least."""

    cpus: int
    memory_mb: int


@dataclass(frozen=True)
class Storage:
    """Disk for the first year, MB."""

    least_mb: int
    most_mb: int


def tier(concurrent_users: int) -> Tier:
    """The reference architecture that carries ``concurrent_users``.

    Raises OperatorError beyond the largest published one.
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
    requirements). Beyond that the sum of the application servers and the writing database of the
    reference tier, as if all were there at once: the safe side. Raises OperatorError beyond the
    largest tier.
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
    """Disk that ``users`` fill in a year, from and to; 10 GB at least.

    ``BASE_MB + users * MB per month * 12 * safety``, safety 1 to 2, by the requirements: 30 users
    of medium usage with safety 2 are 3,600 to 18,000 MB (3.5 to 17.6 GB) besides the base.
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
"""A desktop client and a telephone, both connected."""


def nginx(users: int) -> NginxSizing:
    """Connections for every user's WebSockets, and for 10,000 at least.

    A proxied WebSocket is two connections (client and upstream), and one worker must hold them
    all: the kernel does not spread them evenly. A quarter more is for ordinary requests. Each
    connection is a descriptor, and may have a file open besides (measured: with 1,024 connections
    about 450 users fill the proxy, and then ordinary requests fail too). More than the kernel
    grants a process is a matter for several proxies.
    """
    sockets = max(SOCKETS_AT_LEAST, SOCKETS_PER_USER * users)
    connections = min(2 * sockets * 5 // 4, MOST_OPEN_FILES // 2)
    return NginxSizing(connections, 2 * connections)


MOST_OPEN_FILES = 2**20
"""``fs.nr_open`` as the kernel sets it: asking for more keeps the unit from starting."""

MIN_FREE_PERCENT = 2
MOST_FREE_KB = 512 * 1024
"""More than the 2 % of a host of 25 GB is memory lost, not a reserve."""


def min_free_kbytes(memory_mb: int) -> int:
    """``vm.min_free_kbytes``, KB: 2 % of the memory.

    The documents print 167,772, which is the 2 % of a host of 8 GB and harms one of 2 GB.
    """
    return min(memory_mb * 1024 * MIN_FREE_PERCENT // 100, MOST_FREE_KB)


def _memory_mb(documented_gb: int) -> int:
    return int(documented_gb * DECIMAL_GB_MB)
