"""A site whose database is on three hosts: deployed, verified, and one host less."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab import kept
from tests.lab.hosts import Lab, LabHost
from tests.lab.losses import LOSSES, suffer
from tests.lab.many import PATRONI, ManyHosts, raised
from tests.lab.shell import run

OF_VOTERS, OF_DATABASES, OF_SERVER = (2379, 2380), (5432, 8008), (80, 443)
PSQL = "cd /; runuser -u postgres -- psql"
NEVER = (8065, 8067, 2381)
PORTS = (*OF_VOTERS, *OF_DATABASES, *OF_SERVER, *NEVER)


@pytest.fixture(scope="module")
def site(lab: Lab, release: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ManyHosts]:
    """Three databases, and a host with server and proxy."""
    yield raised(lab, tmp_path_factory.mktemp("many"), release)


def test_a_second_run_changes_nothing_and_users_are_served(site: ManyHosts) -> None:
    assert site.is_whole()
    assert site.deploy().changed == ()
    site.verify("--journey")


def _open(source: LabHost | None, target: LabHost) -> set[int]:
    """The ports to which a host, or this machine, gets a connection."""
    tries = [
        f"timeout 2 bash -c '</dev/tcp/{target.address}/{port}' 2>/dev/null && echo {port} &"
        for port in PORTS
    ]
    script = "\n".join([*tries, "wait"])
    said = source.run(script).stdout if source else run(["bash", "-c", script]).stdout
    return set(map(int, said.split()))


def test_each_host_reaches_exactly_the_ports_that_are_for_its_roles(site: ManyHosts) -> None:
    one, other, server = site.databases[0], site.databases[1], site.host
    of_database = {*OF_VOTERS, *OF_DATABASES}
    wanted = {
        (one, other): of_database,
        (server, one): {*OF_DATABASES},
        (one, server): {*OF_SERVER},
        (None, one): set(),
        (None, server): {*OF_SERVER},
    }
    for (source, target), ports in wanted.items():
        assert _open(source, target) == ports, f"from {source and source.name} to {target.name}"


def test_a_lower_parameter_comes_into_force_on_all_hosts_in_one_run(site: ManyHosts) -> None:
    site.site["mattermost"]["settings"] = {"SqlSettings.MaxOpenConns": 90}
    site.write()
    site.deploy()
    for host in site.databases:
        assert host.run(f"{PSQL} -Atc 'show max_connections'").stdout.strip() == "110"
    assert site.deploy().changed == ()


EDITS = {
    f"patronictl -c {PATRONI} pause --wait": "is paused",
    f"patronictl -c {PATRONI} edit-config --force -s ttl=60": "has another ttl",
    f"{PSQL} -qc \"alter role mattermost password 'x'\"": "mattermost has another password",
}


def test_what_was_changed_by_hand_is_named_and_put_right(site: ManyHosts) -> None:
    for edit in EDITS:
        site.leader.run(edit)
    plan = site.run("mattermost-host", "plan", str(site.inventory), check=False)
    assert plan.status == 2
    assert [one for one in EDITS.values() if one not in plan.words] == []
    site.deploy()
    assert site.deploy().changed == ()


def test_the_leader_is_lost_and_nothing_with_it(site: ManyHosts) -> None:
    post = kept.post_with_file(site, "lost")
    result = suffer(site, LOSSES[0])
    assert result.gap_s <= LOSSES[0].goal_s + LOSSES[0].tolerance_s
    kept.read_back(site, post)
    assert site.deploy().changed == ()
