"""What starts on the look-alike of Enterprise Linux 9, and when: at the deploy, and at a boot.

The host has a preset by which each new service starts at boot, as some images have.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.deployment import Deployment
from tests.lab.hosts import Lab, LabHost
from tests.lab.scan import open_ports
from tests.lab.strikes import Blow, strike
from tests.lab.truth import MATTERMOST, NGINX

POSTGRES = "postgresql.service"
UNITS = (POSTGRES, MATTERMOST, NGINX)
ASKED = (80, 443, 5432, 8065)
SETTINGS = "/etc/mattermost-host/postgresql"
DROP_INS = f"/etc/systemd/system/{POSTGRES}.d"
DATABASE = "ss -Hltnx | grep -F 5432"


def _with_preset(lab: Lab, name: str, folder: Path, release: Path) -> Deployment:
    host = lab.up(name, suite="el9")
    host.run("mkdir -p /etc/systemd/system-preset")
    host.write("/etc/systemd/system-preset/00-everything.preset", "enable *\n")
    # Its PostgreSQL is Debian's 15, whatever its packages say.
    return Deployment(lab, host, folder, release, postgres={"version": 15})


@pytest.fixture(scope="module")
def neighbour(lab: Lab) -> LabHost:
    return lab.up("neighbour")


@pytest.fixture(scope="module")
def deployment(
    lab: Lab, release: Path, neighbour: LabHost, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    yield _with_preset(lab, "boot", tmp_path_factory.mktemp("boot"), release)


def _active(host: LabHost) -> set[str]:
    states = host.run(f"systemctl is-active {' '.join(UNITS)}", check=False).stdout.split()
    return {unit for unit, state in zip(UNITS, states, strict=True) if state == "active"}


def test_a_boot_does_not_start_the_database_as_initdb_left_it(deployment: Deployment) -> None:
    host = deployment.host
    assert strike(deployment, Blow("PostgreSQL | settings and access rules", 0, power=True))
    # As if the power had gone a moment earlier, should they be there.
    host.run(f"rm -rf {SETTINGS}; test -e /var/lib/pgsql/data/PG_VERSION")
    host.reboot()
    assert host.run(f"systemctl is-enabled {POSTGRES}").stdout == "enabled\n"
    assert _active(host) == set()
    assert host.run(DATABASE, check=False).stdout == ""
    # The counterpart: it is the drop-in that keeps it down.
    host.run(f"mv {DROP_INS} /root/aside")
    host.reboot()
    assert _active(host) == {POSTGRES}
    host.run(f"systemctl stop {POSTGRES}; mv /root/aside {DROP_INS}")


def test_a_boot_does_not_start_nginx_as_its_package_left_it(
    deployment: Deployment, neighbour: LabHost
) -> None:
    host = deployment.host
    assert strike(deployment, Blow("NGINX | the account is unprivileged", 0.3, power=True))
    assert host.run(f"systemctl is-enabled {NGINX}").stdout == "enabled\n"
    assert _active(host) == {POSTGRES, MATTERMOST}
    assert open_ports(neighbour, host.address, ASKED) == set()


def test_the_first_start_is_ours(deployment: Deployment) -> None:
    deployment.deploy()
    assert deployment.deploy().changed == ()
    said = deployment.host.run(f"journalctl -b -o cat -u {NGINX} | grep -c '^Started '").stdout
    assert said == "1\n"
    deployment.verify()


def test_a_boot_without_the_package_of_firewalld_starts_nothing_that_it_protects(
    deployment: Deployment, neighbour: LabHost
) -> None:
    host = deployment.host
    host.run("dnf -y -q remove firewalld")
    host.reboot()
    assert _active(host) == set()
    assert open_ports(neighbour, host.address, ASKED) == set()
    plan = deployment.run("mattermost-host", "plan", str(deployment.inventory), check=False)
    assert plan.status == 2
    assert "firewalld" in plan.words
    deployment.deploy()
    assert _active(host) == set(UNITS)
    assert open_ports(neighbour, host.address, ASKED) == {80, 443}
    deployment.verify()
