"""Users to hosts, and a host's size to its parameters."""

import itertools
import re

import pytest

from mattermost_host.knowledge import sizing
from mattermost_host.knowledge.postgresql_sizing import Pool, PostgresSizing, postgresql

MEMORIES_MB = [1907, 2048, 3814, 4096, 7972, 16_000, 32_768, 131_072, 1_048_576]
CPUS = [1, 2, 4, 16, 31, 32, 128]
USERS = [1, 30, 1_000, 1_001, 2_000, 2_001, 15_000, 15_001, 50_000, 200_000]


@pytest.mark.parametrize(
    ("users", "cpus", "memory_mb"),
    [
        (1, 1, 1907),
        (1_000, 1, 1907),
        (1_001, 2, 3814),
        (2_000, 2, 3814),
        (2_001, 3, 4_768),
        (8_500, 7, 24_795),
        (15_000, 12, 45_776),
        (30_000, 24, 91_552),
    ],
)
def test_what_one_host_needs(users: int, cpus: int, memory_mb: int) -> None:
    assert sizing.one_host(users) == sizing.HostSize(cpus, memory_mb)


def test_more_users_never_need_less() -> None:
    for fewer, more in itertools.pairwise(USERS):
        assert sizing.one_host(fewer).cpus <= sizing.one_host(more).cpus
        assert sizing.one_host(fewer).memory_mb <= sizing.one_host(more).memory_mb
        assert sizing.storage(fewer).least_mb <= sizing.storage(more).least_mb
        assert sizing.nginx(fewer).worker_connections <= sizing.nginx(more).worker_connections


def test_the_documents_worked_example_of_storage() -> None:
    thirty = sizing.storage(30, "medium", safety=2)
    assert thirty == sizing.Storage(10_240, 800 + 18_000)
    assert (thirty.most_mb - sizing.BASE_MB) / 1024 == pytest.approx(17.6, abs=0.05)
    assert 30 * sizing.USAGE["medium"][0] * 12 * 2 / 1024 == pytest.approx(3.5, abs=0.05)
    assert sizing.storage(30, "medium", 2, months=24).most_mb == 800 + 36_000
    assert sizing.storage(2_000, "medium") == sizing.Storage(120_800, 600_800)


def test_storage_is_ten_gb_at_least_and_grows_with_usage_and_safety() -> None:
    assert sizing.storage(1, "low").least_mb == 10 * 1024
    many = [sizing.storage(5_000, usage).most_mb for usage in ("low", "medium", "high")]
    assert many == sorted(set(many))
    assert sizing.storage(5_000, "low", 1.5).most_mb == 800 + 5_000 * 5 * 18


@pytest.mark.parametrize("users", [user for user in USERS if user <= 50_000])
def test_nginx_holds_two_connections_for_each_socket(users: int) -> None:
    limits = sizing.nginx(users)
    assert limits.worker_connections >= 2 * max(10_000, 2 * users)
    assert limits.open_files >= 2 * limits.worker_connections


def test_nginx_never_asks_for_more_files_than_the_kernel_grants() -> None:
    assert sizing.nginx(200_000) == sizing.NginxSizing(524_288, 1_048_576)


def test_nginx_for_a_small_site() -> None:
    assert sizing.nginx(25) == sizing.NginxSizing(25_000, 50_000)


def test_the_kernels_reserve_is_two_percent_and_has_an_end() -> None:
    assert sizing.min_free_kbytes(8192) == 167_772
    assert sizing.min_free_kbytes(2048) == 41_943
    assert sizing.min_free_kbytes(1_048_576) == 524_288
    for smaller, larger in itertools.pairwise(MEMORIES_MB):
        assert sizing.min_free_kbytes(smaller) <= sizing.min_free_kbytes(larger)


def test_postgresql_on_the_documents_reference_machine() -> None:
    assert postgresql(4, 32_768, shared=False, pool=Pool(100, 3)).parameters() == {
        "max_connections": "320",
        "shared_buffers": "8192MB",
        "work_mem": "16MB",
        "maintenance_work_mem": "1024MB",
        "effective_cache_size": "22937MB",
        "random_page_cost": "1.5",
        "autovacuum_max_workers": "4",
        "autovacuum_vacuum_cost_limit": "500",
        "tcp_keepalives_idle": "5",
        "tcp_keepalives_interval": "1",
        "tcp_keepalives_count": "5",
    }


def test_postgresql_beside_the_server_on_the_smallest_host() -> None:
    assert postgresql(1, 2048, shared=True).parameters() == {
        "max_connections": "120",
        "shared_buffers": "307MB",
        "work_mem": "4MB",
        "maintenance_work_mem": "64MB",
        "effective_cache_size": "819MB",
        "random_page_cost": "1.5",
        "autovacuum_max_workers": "3",
        "autovacuum_vacuum_cost_limit": "500",
    }


def test_parallelism_is_left_alone_below_32_cpus() -> None:
    assert "max_worker_processes" not in postgresql(31, 65_536, shared=False).parameters()
    parameters = postgresql(32, 65_536, shared=False).parameters()
    assert parameters["max_worker_processes"] == "12"
    assert parameters["max_parallel_workers_per_gather"] == "4"


@pytest.mark.parametrize(("max_open", "nodes"), [(10, 1), (100, 1), (100, 6), (300, 3)])
def test_the_pools_fit_with_a_reserve(max_open: int, nodes: int) -> None:
    connections = postgresql(4, 16_384, shared=False, pool=Pool(max_open, nodes)).max_connections
    assert connections >= max_open * nodes + 20
    assert connections >= 100


def all_sizes() -> list[tuple[int, bool, PostgresSizing]]:
    return [
        (memory, shared, postgresql(cpus, memory, shared=shared))
        for cpus, memory, shared in itertools.product(CPUS, MEMORIES_MB, (True, False))
    ]


def test_postgresql_never_takes_more_than_the_host_has() -> None:
    for memory, shared, size in all_sizes():
        taken = (
            size.shared_buffers_mb
            + size.max_connections * size.work_mem_mb
            + size.autovacuum_max_workers * size.maintenance_work_mem_mb
        )
        assert taken <= memory * (0.6 if shared else 1), size
        assert size.effective_cache_size_mb <= memory


def test_more_memory_never_gives_less() -> None:
    for shared in (True, False):
        for smaller, larger in itertools.pairwise(MEMORIES_MB):
            one, other = (postgresql(4, memory, shared=shared) for memory in (smaller, larger))
            assert one.shared_buffers_mb <= other.shared_buffers_mb
            assert one.work_mem_mb <= other.work_mem_mb
            assert one.maintenance_work_mem_mb <= other.maintenance_work_mem_mb
            assert one.effective_cache_size_mb <= other.effective_cache_size_mb


def test_every_parameter_reads_as_postgresql_reads_it() -> None:
    for _, _, size in all_sizes():
        for name, value in size.parameters().items():
            assert re.fullmatch(r"[a-z_]+", name)
            assert re.fullmatch(r"[1-9][0-9]*(MB)?|1\.5", value), (name, value)
