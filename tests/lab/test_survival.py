"""No restart is lost, whoever forgot it: a run that ended too early, an admin, systemd."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from mattermost_host.engine import host_lock
from tests.lab.deployment import Deployment
from tests.lab.hosts import Lab
from tests.lab.shell import wait_until
from tests.lab.strikes import ENVIRONMENT, Blow, lost_restarts, strike


@pytest.fixture(scope="module")
def deployment(
    lab: Lab, release: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    """A deployed site."""
    made = Deployment(lab, lab.up("survivor"), tmp_path_factory.mktemp("survivor"), release)
    made.deploy()
    yield made


@pytest.mark.parametrize("attempt", range(2))
def test_no_restart_is_lost_between_writing_and_restarting(
    deployment: Deployment, attempt: int
) -> None:
    """New files, an older process, and nobody left who knew: the next run sees it."""
    deployment.deploy()
    before = deployment.started("mattermost.service")
    wanted = 20 + attempt
    deployment.site["mattermost"]["settings"] = {"TeamSettings.MaxUsersPerTeam": wanted}
    deployment.write()
    assert strike(deployment, Blow("Mattermost | the server is running", 0.0))
    assert f'MAXUSERSPERTEAM="{wanted}"' in deployment.host.read(ENVIRONMENT), "killed too early"
    assert deployment.started("mattermost.service") == before, "killed too late: no proof"
    assert lost_restarts(deployment) == [ENVIRONMENT]
    assert "Mattermost | the server is running" in deployment.deploy().changed
    running = "tr '\\0' '\\n' < /proc/$(systemctl show -p MainPID --value mattermost)/environ"
    assert f"MAXUSERSPERTEAM={wanted}" in deployment.host.run(running).stdout
    assert deployment.deploy().changed == ()


def test_a_run_from_another_machine_is_refused_until_the_first_has_ended(
    deployment: Deployment,
) -> None:
    """The control machine's own lock knows nothing of it; one that changes nothing needs none."""
    deployment.deploy()
    held = [*deployment.host.ssh(), "--", host_lock.script("process 7 of ann@laptop")]
    pipe = subprocess.PIPE
    with subprocess.Popen(held, stdin=pipe, stdout=pipe, text=True) as other:
        assert other.stdin
        assert other.stdout
        assert other.stdout.readline() == f"{host_lock.HELD}\n"
        assert deployment.deploy().changed == ()
        deployment.host.run("chmod 600 /etc/tmpfiles.d/mattermost-host.conf")
        refused = deployment.deploy(check=False)
        assert refused.status == 1
        assert "is being changed by process 7 of ann@laptop; wait until" in refused.words
        assert "Traceback" not in refused.output
        other.stdin.close()
    assert deployment.deploy().changed
    assert deployment.deploy().changed == ()


@pytest.mark.parametrize(
    "unit", ["postgresql@15-main.service", "mattermost.service", "nginx.service"]
)
def test_a_drop_in_by_hand_is_gone_from_unit_and_process(deployment: Deployment, unit: str) -> None:
    """Only a process that has read it is restarted."""
    usual = _nice(deployment, unit)  # whoever runs the tests may have another priority
    folder = f"/etc/systemd/system/{unit}.d"
    written = f"mkdir -p {folder}; printf '[Service]\\nNice=1\\n' > {folder}/by-hand.conf"
    deployment.host.run(f"{written}; systemctl daemon-reload; systemctl restart {unit}")
    assert _nice(deployment, unit) == 1
    assert deployment.deploy().changed
    assert _nice(deployment, unit) == usual
    before = deployment.started(unit)
    deployment.host.run(written)
    assert deployment.deploy().changed
    assert (deployment.started(unit), _nice(deployment, unit)) == (before, usual)
    assert deployment.deploy().changed == ()


def _nice(deployment: Deployment, unit: str) -> int:
    """Of the running process, not of the unit's files."""
    script = f"ps -o ni= -p $(systemctl show -p MainPID --value {unit})"
    return int(deployment.host.run(script).stdout)


def test_server_started_without_database_waits_for_it(deployment: Deployment) -> None:
    """It gives up after seconds, and systemd starts it again until there is a database."""
    host, cluster = deployment.host, "postgresql@15-main"
    host.run(f"systemctl stop {cluster}; systemctl mask --runtime {cluster}")
    host.run("systemctl kill -s KILL mattermost")
    wait_until(lambda: _restarts(deployment) > 1, 60, "systemd tries more than once")
    assert deployment.status() != 200
    host.run(f"systemctl unmask --runtime {cluster}; systemctl start {cluster}")
    deployment.wait_healthy()
    assert deployment.deploy().changed == ()


def _restarts(deployment: Deployment) -> int:
    return int(deployment.host.run("systemctl show -p NRestarts --value mattermost").stdout)


def test_site_comes_back_by_itself_after_a_power_cut(deployment: Deployment) -> None:
    deployment.deploy()
    deployment.lab.crash(deployment.host)
    deployment.host.start()
    wait_until(lambda: deployment.status() == 200, 60, "the site is back")
    assert deployment.deploy().changed == ()
