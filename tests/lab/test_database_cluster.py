"""A site whose database is on three hosts: deployed, verified, and one host less."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab import kept
from tests.lab.hosts import Lab, LabHost
from tests.lab.losses import LOSSES, suffer
from tests.lab.many import PATRONI, ManyHosts, raised

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


def _opens(source: LabHost | None, target: LabHost, port: int) -> bool:
    """Whether a host, or this machine, gets a connection."""
    if source is None:
        try:
            socket.create_connection((target.address, port), timeout=2).close()
        except OSError:
            return False
        return True
    command = f"timeout 2 bash -c '</dev/tcp/{target.address}/{port}'"
    return source.run(command, check=False).returncode == 0


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
        found = {port for port in PORTS if _opens(source, target, port)}
        assert found == ports, f"from {source.name if source else 'outside'} to {target.name}"


def test_a_parameter_that_needs_a_restart_comes_into_force_in_one_run(site: ManyHosts) -> None:
    post = kept.post_with_file(site)
    for most in (150, 110):
        site.site["mattermost"]["settings"] = {"SqlSettings.MaxOpenConns": most}
        site.write()
        site.deploy()
        for host in site.databases:
            assert host.run(f"{PSQL} -Atc 'show max_connections'").stdout.strip() == str(most + 20)
        assert site.deploy().changed == ()
    kept.read_back(site, post)


@pytest.mark.parametrize(
    ("edit", "named"),
    [
        (f"patronictl -c {PATRONI} pause --wait", "is paused"),
        (f"patronictl -c {PATRONI} edit-config --force -s ttl=60", "has another ttl"),
        (
            "cd /; runuser -u postgres -- psql -qc \"alter role mattermost password 'x'\"",
            "password",
        ),
    ],
)
def test_what_was_changed_by_hand_is_named_and_put_right(
    site: ManyHosts, edit: str, named: str
) -> None:
    site.leader.run(edit)
    plan = site.run("mattermost-host", "plan", str(site.inventory), check=False)
    assert plan.status == 2
    assert named in plan.words
    site.deploy()
    assert site.deploy().changed == ()


def test_the_leader_is_lost_and_nothing_with_it(site: ManyHosts) -> None:
    post = kept.post_with_file(site, "lost")
    result = suffer(site, LOSSES[0])
    assert result.gap_s <= LOSSES[0].goal_s + LOSSES[0].tolerance_s
    kept.read_back(site, post)
    assert site.deploy().changed == ()
