"""A look-alike of Ubuntu: install, second run, verification, tampering; what Ubuntu brings."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mattermost_host.components import postgres
from mattermost_host.facts.host import HostFacts
from mattermost_host.facts.place import UNASKED
from mattermost_host.site.site import Site
from tests.lab import truth, ubuntu
from tests.lab.deployment import Deployment
from tests.lab.hosts import Lab, LabHost
from tests.lab.truth import MATTERMOST, NGINX
from tests.try_on.tamperings import chosen

AT_WORK = "mv /run/cloud-init/result.json /run/cloud-init/aside"
ENDS = "mv /run/cloud-init/aside /run/cloud-init/result.json"
LINK = "readlink /usr/bin/certbot"


@pytest.fixture(scope="module", params=ubuntu.RELEASES)
def host(request: pytest.FixtureRequest, lab: Lab) -> LabHost:
    made = lab.up(f"ubuntu-{request.param.replace('.', '')}")
    assert ubuntu.dress(made, request.param) == "running"
    return made


@pytest.fixture(scope="module")
def deployment(
    host: LabHost, lab: Lab, release: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    """A site, deployed as admin while cloud-init is at work."""
    made = Deployment(lab, host, tmp_path_factory.mktemp(host.name), release, user="admin")
    host.run(AT_WORK)
    inventory = str(made.inventory)
    said = made.run("mattermost-host", "preflight", inventory).words
    assert "cloud-init is still at work" in said
    host.run(f"systemd-run -q --on-active=20 --timer-property=AccuracySec=1 sh -c '{ENDS}'")
    deployed = made.deploy()
    assert "waiting for cloud-init to end" in deployed.output
    yield made


@pytest.fixture(scope="module")
def facts(deployment: Deployment) -> HostFacts:
    release = deployment.host.run(". /etc/os-release; echo $VERSION_ID").stdout.strip()
    return replace(UNASKED, distribution="ubuntu", release=release)


def test_cloud_init_itself_leaves_what_tells_that_it_has_ended(deployment: Deployment) -> None:
    """Its own files, of its own boot; the fixture has only moved one aside and back."""
    shown = deployment.host.run("cat /run/cloud-init/result.json; cloud-init status").stdout
    assert "NoCloud" in shown and "status: done" in shown
    inventory = str(deployment.inventory)
    said = deployment.run("mattermost-host", "preflight", inventory, "--verbose").words
    assert "cloud-init" not in said.replace("first-boot over", "")


def test_the_database_is_the_release_s_own(deployment: Deployment, facts: HostFacts) -> None:
    unit = postgres.unit(Site.load(deployment.inventory).settings.postgres, facts)
    assert unit == f"postgresql@{facts.platform.postgresql}-main.service"
    assert deployment.host.run(f"systemctl is-active {unit}").stdout.strip() == "active"


def test_the_second_run_changes_nothing(deployment: Deployment) -> None:
    assert deployment.deploy().changed == ()


def test_it_is_verified_with_the_journey(deployment: Deployment) -> None:
    assert "checks passed" in deployment.verify("--journey").output


def test_needrestart_restarted_nothing_and_asked_nothing(deployment: Deployment) -> None:
    """Its hook has noted that packages came, and was told to leave it at that."""
    host = deployment.host
    assert host.run("needrestart -b -r l >/dev/null; echo $?").stdout.strip() == "0"
    assert host.run("ls /run/needrestart/unpacked", check=False).returncode == 0


def test_what_unattended_upgrades_restart_is_right_afterwards(
    deployment: Deployment, facts: HostFacts
) -> None:
    unit = postgres.unit(Site.load(deployment.inventory).settings.postgres, facts)
    deployment.host.run(f"systemctl restart {unit} {NGINX} {MATTERMOST}")
    deployment.wait_healthy()
    assert truth.plan(deployment).status == 0
    deployment.verify()


@pytest.mark.parametrize(
    "what",
    ["the database's access rules", "a readable key", "a port that is opened at run time"],
)
def test_tampering_is_named_and_healed(deployment: Deployment, facts: HostFacts, what: str) -> None:
    every = chosen(Site.load(deployment.inventory), facts)
    (done,) = (one for one in every if one.what == what)
    deployment.host.run(done.shell)
    told = truth.plan(deployment)
    assert told.status == 2
    assert all(name in told.found for name in done.names), told.found
    run = deployment.run("mattermost-host", "apply", "--yes", str(deployment.inventory))
    assert "everything holds" in run.output
    assert truth.plan(deployment).status == 0


def test_snap_s_certbot_is_left_alone(deployment: Deployment) -> None:
    assert deployment.host.run(LINK).stdout.strip() == "/snap/bin/certbot"
    before = dict(deployment.site)
    deployment.site |= {"url": "https://chat.example.com", "tls": {"mode": "acme"}}
    deployment.write()
    try:
        refused = deployment.deploy(check=False)
    finally:
        deployment.site = before
        deployment.write()
    assert refused.status == 1
    assert "certbot is there as a snap" in refused.words
    assert deployment.host.run(LINK).stdout.strip() == "/snap/bin/certbot"


def test_an_active_ufw_is_refused(deployment: Deployment) -> None:
    host = deployment.host
    host.run("sed -i 's/^ENABLED=.*/ENABLED=yes/' /etc/ufw/ufw.conf")
    try:
        refused = deployment.deploy(check=False)
    finally:
        host.run("sed -i 's/^ENABLED=.*/ENABLED=no/' /etc/ufw/ufw.conf")
    assert refused.status == 1
    assert "active: ufw" in refused.words
