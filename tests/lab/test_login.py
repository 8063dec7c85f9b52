"""A host that lets nobody in but an ordinary user with sudo, at another port than 22."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.deployment import Deployment
from tests.lab.hosts import Lab, LabHost
from tests.lab.scan import open_ports

SSH_PORT = 2222


@pytest.fixture(scope="module")
def deployment(
    lab: Lab, release: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    """A site deployed by admin, who is not root."""
    host = lab.up("login", suite="trixie", ssh_port=SSH_PORT)
    made = Deployment(lab, host, tmp_path_factory.mktemp("login"), release, user="admin")
    made.deploy()
    yield made


@pytest.fixture(scope="module")
def neighbour(lab: Lab) -> LabHost:
    return lab.up("neighbour")


def test_second_run_changes_nothing(deployment: Deployment) -> None:
    assert deployment.deploy().changed == ()


def test_verification_passes(deployment: Deployment) -> None:
    deployment.verify()


def test_only_the_port_we_came_in_by_is_open_for_ssh(
    deployment: Deployment, neighbour: LabHost
) -> None:
    host = deployment.host
    host.run("systemd-run --unit=port-22 python3 -m http.server 22")
    host.run("for i in $(seq 50); do ss -Htln 'sport = 22' | grep -q . && exit; sleep 0.1; done")
    assert host.run("</dev/tcp/127.0.0.1/22").returncode == 0, "nothing listens, so no proof"
    for address in (host.address, host.address6):
        assert open_ports(neighbour, address, range(1, 3000)) == {SSH_PORT, 80, 443}
    host.run("systemctl stop port-22")


def test_setting_another_port_does_not_lock_us_out(
    deployment: Deployment, neighbour: LabHost
) -> None:
    """An operator who is about to move sshd opens the new port first, and still comes in."""
    deployment.site["firewall"] = {"ssh_port": 2022}
    deployment.write()
    assert "Firewall | firewall rules are loaded" in deployment.deploy().changed
    host = deployment.host
    host.run("systemd-run --unit=port-2022 python3 -m http.server 2022")
    host.run("for i in $(seq 50); do ss -Htln 'sport = 2022' | grep -q . && exit; sleep 0.1; done")
    assert open_ports(neighbour, host.address, [2022, SSH_PORT, 443]) == {2022, SSH_PORT, 443}
    assert deployment.deploy().changed == ()
