"""Sizing: hosts, storage and NGINX's limits by users; the kernel's reserve by memory.

Units: 1 MB is 2**20 bytes, as ``df -m``, /proc/meminfo divided by 1,024 and PostgreSQL count.
"""

import itertools
from dataclasses import dataclass
from typing import Literal

from mattermost_host.knowledge.tiers import GROWING, on_line, tier

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

LARGEST_TEAM = 2_000
"""Registered users up to whom the requirements size one host."""

SMALLEST_DISK_MB = 10 * GIB_MB
"""10 GB free; source: the preparations page."""


@dataclass(frozen=True)
class HostSize:
    """The minimum for one host in all roles."""

    cpus: int
    memory_mb: int


@dataclass(frozen=True)
class Storage:
    """Disk space, MB."""

    least_mb: int
    most_mb: int


_ONE_HOST = (
    (2_000, 2, 4),
    *(
        (
            tier.users,
            tier.app.count * tier.app.cpus + tier.database.cpus,
            tier.app.count * tier.app.memory_gb + tier.database.memory_gb,
        )
        for tier in GROWING
        if tier.users > LARGEST_TEAM
    ),
)
"""Users, processors and GB of one host in all roles."""


def one_host(registered_users: int) -> HostSize:
    """What one host in all roles needs for ``registered_users``.

    Up to 1,000 users 1 vCPU and 2 GB, up to 2,000 users 2 vCPU and 4 GB (software and hardware
    requirements). Above that, the application servers and the writing database of the reference
    tiers together, as if all users were active at once, to be on the safe side; between 2,000 users
    and the tiers it is interpolated. Raises OperatorError above the largest tier.
    """
    if registered_users <= LARGEST_TEAM // 2:
        return HostSize(1, _memory_mb(2))
    if registered_users <= LARGEST_TEAM:
        return HostSize(2, _memory_mb(4))
    tier(registered_users)
    for (fewer, *less), (more, *most) in itertools.pairwise(_ONE_HOST):
        if registered_users <= more:
            share = (registered_users - fewer) / (more - fewer)
            cpus, memory = (on_line(*ends, share) for ends in zip(less, most, strict=True))
            return HostSize(cpus, _memory_mb(memory))
    raise AssertionError  # the last one is the largest


def storage(users: int, usage: Usage = "medium", safety: float = 1.0, months: int = 12) -> Storage:
    """Disk space that ``users`` fill in ``months``, from and to; at least 10 GB.

    ``BASE_MB + users * MB per month * months * safety``, safety 1 to 2. Source: the requirements;
    for 30 users of medium usage, a year and safety 2 they give 3,600 to 18,000 MB (3.5 to 17.6 GB)
    without the base.
    """
    least, most = (BASE_MB + round(users * rate * months * safety) for rate in USAGE[usage])
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
