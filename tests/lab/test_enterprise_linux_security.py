"""firewalld on the look-alike of Enterprise Linux 9: what is open, and what was changed by hand."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mattermost_host.components import firewall
from tests.lab.deployment import Deployment
from tests.lab.hosts import Lab, LabHost
from tests.lab.scan import open_ports

DOCUMENTED = {22, 80, 443}
BY_HAND = 9100
"""Somebody listens there, on every address."""
ASKED = (*DOCUMENTED, 25, 5432, 8065, 8067, 9090, BY_HAND)


@pytest.fixture(scope="module")
def neighbour(lab: Lab) -> LabHost:
    return lab.up("neighbour")


@pytest.fixture(scope="module")
def deployment(
    lab: Lab, release: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    host = lab.up("el", suite="el9")
    # Its PostgreSQL is Debian's 15, whatever its packages say.
    made = Deployment(
        lab,
        host,
        tmp_path_factory.mktemp("el"),
        release,
        postgres={"version": 15},
    )
    made.deploy()
    for port in (BY_HAND, 9090):
        host.run(f"systemd-run -q --unit=by-hand-{port} python3 -m http.server {port} --bind ::")
    yield made


def _plan(deployment: Deployment) -> tuple[int, str]:
    done = deployment.run("mattermost-host", "plan", str(deployment.inventory), check=False)
    return done.status, done.words


def test_a_second_run_changes_nothing(deployment: Deployment) -> None:
    assert deployment.deploy().changed == ()
    status, said = _plan(deployment)
    assert status == 0, said


def test_exactly_the_documented_ports_are_open(deployment: Deployment, neighbour: LabHost) -> None:
    assert open_ports(neighbour, deployment.host.address, ASKED) == DOCUMENTED


TAMPERINGS = {
    "at run time, in the zone": (
        f"firewall-cmd -q --add-port={BY_HAND}/tcp",
        f"filter_IN_public_allow has 'tcp dport {BY_HAND} accept'",
        DOCUMENTED,
    ),
    "permanent, in the zone": (
        f"firewall-cmd -q --permanent --add-port={BY_HAND}/tcp",
        "/etc/firewalld/zones/public.xml changed since firewalld loaded it",
        DOCUMENTED,
    ),
    "at run time, in the policy": (
        f"firewall-cmd -q --policy=mattermost-host --add-port={BY_HAND}/tcp",
        f"has 'tcp dport {BY_HAND} accept'",
        DOCUMENTED | {BY_HAND},
    ),
    "permanent, in the policy": (
        f"firewall-cmd -q --permanent --policy=mattermost-host --add-port={BY_HAND}/tcp; "
        "firewall-cmd -q --reload",
        "/etc/firewalld/policies/mattermost-host.xml",
        DOCUMENTED | {BY_HAND},
    ),
    "below firewalld": (
        f"nft insert rule inet firewalld filter_INPUT tcp dport {BY_HAND} accept",
        f"filter_INPUT has 'tcp dport {BY_HAND} accept'",
        DOCUMENTED | {BY_HAND},
    ),
    "another default zone": (
        "firewall-cmd -q --set-default-zone=trusted",
        "/etc/firewalld/firewalld.conf changed since firewalld loaded it",
        DOCUMENTED,
    ),
    "stopped and masked": (
        "systemctl mask -q --now firewalld",
        "firewalld.service is not active",
        DOCUMENTED | {BY_HAND, 9090},
    ),
}


@pytest.mark.parametrize(("command", "said", "opened"), TAMPERINGS.values(), ids=list(TAMPERINGS))
def test_a_rule_by_hand_is_seen_and_undone(
    deployment: Deployment, neighbour: LabHost, command: str, said: str, opened: set[int]
) -> None:
    deployment.host.run(command)
    assert open_ports(neighbour, deployment.host.address, ASKED) == opened
    status, words = _plan(deployment)
    assert (status, said in words) == (2, True), words
    assert deployment.deploy().changed != ()
    assert open_ports(neighbour, deployment.host.address, ASKED) == DOCUMENTED
    status, words = _plan(deployment)
    assert status == 0, words


def test_firewalld_without_its_unit_file_is_named_with_what_to_do(deployment: Deployment) -> None:
    host, file = deployment.host, "/usr/lib/systemd/system/firewalld.service"
    host.run(f"mv {file} /root/aside; systemctl daemon-reload")
    try:
        status, said = _plan(deployment)
        assert (status, "firewalld.service is not active" in said) == (2, True), said
        refused = deployment.deploy(check=False)
    finally:
        host.run(f"mv /root/aside {file}; systemctl daemon-reload")
    assert refused.status == 1
    assert "firewalld.service has no unit file on the host" in refused.words
    assert "dnf reinstall" in refused.words
    # It went on running all the time.
    status, said = _plan(deployment)
    assert status == 0, said


AT_BOOT = {
    # Who comes in by ssh can still put it right; the site itself does not start.
    "masked": ("systemctl mask -q firewalld", {22}),
    "with a file that it refuses": (f"echo '<policy' >{firewall.POLICY}", {22}),
    # Our own unit wants it.
    "not started by itself": ("systemctl disable -q firewalld", DOCUMENTED),
}


@pytest.mark.parametrize(("command", "opened"), AT_BOOT.values(), ids=list(AT_BOOT))
def test_a_boot_without_firewalld_s_rules_serves_nobody_and_is_seen_and_undone(
    deployment: Deployment, neighbour: LabHost, command: str, opened: set[int]
) -> None:
    deployment.host.run(command)
    deployment.host.reboot()
    assert open_ports(neighbour, deployment.host.address, ASKED) == opened
    status, words = _plan(deployment)
    assert (status, "firewalld" in words) == (2, True), words
    assert deployment.deploy().changed != ()
    assert open_ports(neighbour, deployment.host.address, ASKED) == DOCUMENTED
    status, words = _plan(deployment)
    assert status == 0, words
    deployment.verify()
