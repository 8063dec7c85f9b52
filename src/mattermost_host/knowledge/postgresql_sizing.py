"""PostgreSQL's parameters, from a host's size and the application servers' connection pools.

Source: the vendor's high-availability page, whose reference machine has 4 vCPU, 32 GB and an SSD.
Two differences: its 65 % of memory for shared_buffers suits a managed service, so the PostgreSQL
manual's 25 % is used here; and its random_page_cost of 1.1 made one frequent query 100 times slower
(measured on 500,000 posts), while 1.5 to 2 was safe.
"""

from dataclasses import dataclass

RESERVE = 20
"""Connections besides the pools: 3 for superusers, the rest for exporters, backups, people."""

FEWEST_CONNECTIONS = 100
"""PostgreSQL's own default."""

MANY_CPUS = 32
"""CPUs from which the published parallelism applies; below, PostgreSQL's defaults do."""


@dataclass(frozen=True)
class Pool:
    """The connections that the application servers may open."""

    max_open: int = 100
    """``SqlSettings.MaxOpenConns``: 100 since release 11."""
    nodes: int = 1

    @property
    def connections(self) -> int:
        """``max_connections``: enough for the full pool of every node.

        With 100 for a pool of 100, 97 are usable and the rest fail under load (measured).
        """
        return max(FEWEST_CONNECTIONS, self.max_open * self.nodes + RESERVE)


@dataclass(frozen=True)
class Shares:
    """Percent of the host's memory."""

    shared_buffers: float
    work_mem: float
    """work_mem of all connections together."""
    maintenance_work_mem: float
    """For each of the four that may run at once."""
    effective_cache_size: int


DEDICATED = Shares(25, 50, 5, 70)
SHARED = Shares(15, 25, 2.5, 40)
"""The server, NGINX and their caches are on the same host."""


@dataclass(frozen=True)
class PostgresSizing:
    """PostgreSQL's parameters for one host; memory in MB (2**20 bytes)."""

    max_connections: int
    shared_buffers_mb: int
    work_mem_mb: int
    maintenance_work_mem_mb: int
    effective_cache_size_mb: int
    autovacuum_max_workers: int
    parallel: bool
    remote: bool

    def parameters(self) -> dict[str, str]:
        """Names and values for postgresql.conf."""
        values = {
            "max_connections": str(self.max_connections),
            "shared_buffers": f"{self.shared_buffers_mb}MB",
            "work_mem": f"{self.work_mem_mb}MB",
            "maintenance_work_mem": f"{self.maintenance_work_mem_mb}MB",
            "effective_cache_size": f"{self.effective_cache_size_mb}MB",
            "random_page_cost": "1.5",
            "autovacuum_max_workers": str(self.autovacuum_max_workers),
            "autovacuum_vacuum_cost_limit": "500",
        }
        return values | (PARALLEL if self.parallel else {}) | (KEEPALIVES if self.remote else {})


PARALLEL = {
    "max_worker_processes": "12",
    "max_parallel_workers": "12",
    "max_parallel_workers_per_gather": "4",
    "max_parallel_maintenance_workers": "4",
}

KEEPALIVES = {
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "1",
    "tcp_keepalives_count": "5",
}
"""TCP keepalives (seconds, seconds, count), so that a vanished server's connections end."""


def postgresql(
    cpus: int, memory_mb: int, *, shared: bool, pool: Pool | None = None
) -> PostgresSizing:
    """Parameters for a host of ``cpus`` and ``memory_mb``.

    ``shared``: the application server is on the same host. work_mem is bounded by the published
    16 MB and shared by all connections; maintenance_work_mem by 64 MB (the default) and the
    published 1 GB; four autovacuum workers from 4 CPUs on, as published, the default three below.
    The parts add up to less than the host's memory.
    """
    shares = SHARED if shared else DEDICATED
    connections = (pool or Pool()).connections
    each_connection = _percent(memory_mb, shares.work_mem) // connections
    return PostgresSizing(
        max_connections=connections,
        shared_buffers_mb=_percent(memory_mb, shares.shared_buffers),
        work_mem_mb=min(max(each_connection, 1), 16),
        maintenance_work_mem_mb=min(
            max(_percent(memory_mb, shares.maintenance_work_mem), 64), 1024
        ),
        effective_cache_size_mb=_percent(memory_mb, shares.effective_cache_size),
        autovacuum_max_workers=4 if cpus >= 4 else 3,
        parallel=cpus >= MANY_CPUS,
        remote=not shared,
    )


def _percent(memory_mb: int, share: float) -> int:
    return int(memory_mb * share / 100)
