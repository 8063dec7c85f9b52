"""What a site needs that survives the loss of any one host."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mattermost_host.knowledge.architecture import Architecture, design
from mattermost_host.knowledge.tiers import TIERS, Hosts, Tier

USERS = st.integers(1, TIERS[-1].users)


def _needs(made: Architecture) -> dict[str, int]:
    found = {"one host's cpus": made.one_host.cpus, "one host's memory": made.one_host.memory_mb}
    for group in made.groups:
        found[f"{group.role} hosts"] = group.hosts
        found[f"{group.role} cpus"] = group.cpus
        found[f"{group.role} memory"] = group.memory_gb
        for disk in (group.disk, group.replica_disk):
            if disk:
                found[f"{group.role} disk {disk is group.disk}"] = disk.most_mb
    found["disk"] = made.storage.most_mb
    found["connections"] = made.connections.max_connections
    found["files"] = made.connections.open_files
    return found


@given(USERS, USERS, st.sampled_from(["low", "medium", "high"]), st.integers(1, 120))
def test_more_users_never_need_less_of_anything(
    one: int, other: int, usage: str, months: int
) -> None:
    fewer, more = (_needs(design(users, None, usage, months)) for users in sorted((one, other)))  # type: ignore[arg-type]
    for name, needed in fewer.items():
        assert needed <= more[name], name


@pytest.mark.parametrize("row", TIERS, ids=lambda row: str(row.users))
def test_every_published_row_is_met_without_the_spare_host(row: Tier) -> None:
    groups = {group.role: group for group in design(row.users).groups}
    published = {"proxy": row.proxy, "app": row.app, "db": row.database}
    published |= {"search": row.search} if row.search else {}
    published |= {"cache": row.cache} if row.cache else {}
    for role, hosts in published.items():
        assert isinstance(hosts, Hosts)
        found = groups[role]
        assert found.hosts - found.spare >= hosts.count, role
        assert (found.cpus, found.memory_gb) >= (hosts.cpus, hosts.memory_gb), role
        assert found.spare == 1


@given(USERS)
def test_the_pools_of_all_servers_fit_into_the_database(users: int) -> None:
    made = design(users)
    app = next(group for group in made.groups if group.role == "app")
    assert made.connections.max_connections > app.hosts * made.connections.pool


@given(USERS)
def test_each_proxy_and_server_has_files_for_its_sockets(users: int) -> None:
    made = design(users)
    proxy = next(group for group in made.groups if group.role == "proxy")
    each = 2 * users / (proxy.hosts - proxy.spare)
    assert made.connections.proxy.worker_connections >= 2 * each
    assert made.connections.open_files >= 2 * made.connections.sockets


def test_one_host_is_published_up_to_two_thousand_accounts() -> None:
    assert [design(users).one_host_source for users in (2_000, 2_001)] == [
        "published",
        "interpolated",
    ]
    few_at_a_time = design(20_000, 3_000)
    assert few_at_a_time.one_host == design(3_000).one_host
    assert few_at_a_time.storage == design(20_000).storage


def test_who_takes_over_has_two_to_three_times_the_disk() -> None:
    db = next(group for group in design(5_000).groups if group.role == "db")
    assert db.disk
    assert db.replica_disk
    assert db.replica_disk.least_mb == 2 * db.disk.most_mb
    assert db.replica_disk.most_mb == 3 * db.disk.most_mb
