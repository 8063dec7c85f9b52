"""The spine: install, a second run, verification, edits by hand, on Debian 12 and 13."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.deployment import Deployment
from tests.lab.hosts import Lab

SUITES = ("bookworm", "trixie")


@pytest.fixture(scope="module", params=SUITES)
def deployment(
    request: pytest.FixtureRequest,
    lab: Lab,
    release: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Deployment]:
    """A site on a fresh host, deployed once."""
    host = lab.up(f"site-{request.param}", suite=request.param)
    made = Deployment(lab, host, tmp_path_factory.mktemp(request.param), release)
    made.deploy()
    yield made
    lab.down(host)


def test_second_run_changes_nothing(deployment: Deployment) -> None:
    assert deployment.deploy().changed == ()


def test_verification_passes_with_the_journey(deployment: Deployment) -> None:
    run = deployment.verify("--journey")
    assert run.status == 0, run.output


EDITS = {
    "the server's settings": "sed -i 's/^MM_LOG_PATH=.*/MM_LOG_PATH=\"\\/tmp\"/' /etc/mattermost-host/mattermost.env",
    "a mode that shows secrets": "chmod 644 /etc/mattermost-host/mattermost.env",
    "a unit file": "echo '# by hand' >> /etc/systemd/system/mattermost.service",
    "a site of NGINX": "sed -i 's/63072000/60/' /etc/nginx/conf.d/mattermost.conf",
    "the default site back": "ln -s ../sites-available/default /etc/nginx/sites-enabled/default",
    "a firewall rule at run time": "nft add rule inet mattermost_host input tcp dport 5432 accept",
    "a stopped server": "systemctl stop mattermost",
    "a disabled proxy": "systemctl disable nginx",
    "a role with more rights": "runuser -u postgres -- psql -qc 'alter role mattermost createdb'",
    "a parameter by ALTER SYSTEM": "runuser -u postgres -- psql -qc \"alter system set shared_buffers='16MB'\"",
    "a kernel parameter": "sysctl -qw net.core.somaxconn=128",
    "another owner of the database": "runuser -u postgres -- psql -qc 'alter database mattermost owner to postgres'",
    "a deleted access file": "rm /etc/postgresql/*/main/pg_hba.conf",
    "a login shell": "usermod --shell /bin/bash mattermost",
}


@pytest.mark.parametrize("what", EDITS)
def test_an_edit_by_hand_is_repaired(deployment: Deployment, what: str) -> None:
    deployment.host.run(EDITS[what])
    repaired = deployment.deploy()
    assert repaired.changed, f"{what}: the run saw nothing to repair"
    assert deployment.deploy().changed == (), f"{what}: not repaired at once"


def test_everything_still_holds_after_the_repairs(deployment: Deployment) -> None:
    run = deployment.verify()
    assert run.status == 0, run.output


def test_the_host_comes_back_after_a_reboot(deployment: Deployment) -> None:
    deployment.host.reboot()
    run = deployment.verify()
    assert run.status == 0, run.output
    assert deployment.deploy().changed == ()
