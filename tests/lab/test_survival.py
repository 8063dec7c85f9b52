"""Runs that end in the middle: the controller killed, the host without power."""

import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.deployment import Deployment
from tests.lab.hosts import Lab
from tests.lab.shell import wait_until

SEED = 3
# Where a first run is struck: the operation that has just begun, and at most how many seconds
# later. Each of them leaves something half done: packages, a release, files without a restart.
POINTS = (
    ("Base | the tools that every host needs are installed", 4.0),
    ("PostgreSQL | PostgreSQL", 7.0),
    ("PostgreSQL | settings and access rules are in place", 0.3),
    ("Mattermost | release", 1.2),
    ("Mattermost | folders, settings and unit are in place", 0.3),
    ("Mattermost | the server runs it", 0.5),
    ("NGINX | NGINX is installed", 1.5),
    ("NGINX | the tested configuration is in place", 0.4),
)
CUTS = (POINTS[1], POINTS[3], POINTS[6])
ENVIRONMENT = "/etc/mattermost-host/mattermost.env"


def strike(deployment: Deployment, operation: str, seconds: float, power: bool = False) -> bool:
    """Kill a run, or its host's power too, after `operation` has begun.

    False where the run had nothing left to do there, and came to its end.
    """
    said = []
    with deployment.start() as running:
        assert running.stdout
        for line in running.stdout:
            said.append(line)
            if f"Starting operation: {operation}" in line:
                time.sleep(seconds)
                _kill(deployment, running, power)
                return True
    assert running.returncode == 0, "".join(said)
    return False


def _kill(deployment: Deployment, running: subprocess.Popen[str], power: bool) -> None:
    if power:
        deployment.lab.crash(deployment.host)
        running.communicate()  # the controller sees by itself that the host is gone
        deployment.lab.start(deployment.host)
        assert running.returncode == 1
    else:
        os.killpg(running.pid, signal.SIGKILL)
        running.communicate()
        assert running.returncode == -signal.SIGKILL, "it had ended by itself before"


def _converges(deployment: Deployment) -> None:
    """The next run puts all right, the one after it changes nothing, and nothing runs old files."""
    deployment.deploy()
    assert deployment.deploy().changed == ()
    assert not _lost_restarts(deployment)
    deployment.verify()


def _lost_restarts(deployment: Deployment) -> str:
    """Files that are younger than the process that reads them, found without the product."""
    script = """
started() { stat -c %Y /proc/$1; }
later() { for file in $2; do [ $(stat -c %Z $file) -le $(started $1) ] || echo $file; done; }
main() { systemctl show -p MainPID --value $1; }
later $(main mattermost) "/etc/mattermost-host/mattermost.env /etc/systemd/system/mattermost.service
  /opt/mattermost/current"
later $(main postgresql@15-main) /etc/postgresql/15/main/conf.d/mattermost-host.conf
later $(pgrep -n -f 'nginx: worker') "/etc/nginx/nginx.conf /etc/nginx/conf.d/mattermost.conf"
"""
    return deployment.host.run(script).stdout


@pytest.fixture(scope="module")
def killed(
    lab: Lab, release: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    """A site whose first run was killed at every one of the points."""
    made = Deployment(lab, lab.up("killed"), tmp_path_factory.mktemp("killed"), release)
    chance = random.Random(SEED)
    struck = [strike(made, name, chance.uniform(0, most)) for name, most in POINTS]
    assert sum(struck) >= len(POINTS) - 2, "too few of the runs were killed to prove anything"
    yield made


def test_next_run_converges_after_the_controller_was_killed(killed: Deployment) -> None:
    _converges(killed)


@pytest.mark.parametrize("attempt", range(3))
def test_no_restart_is_lost_between_writing_and_restarting(
    killed: Deployment, attempt: int
) -> None:
    """New files, an older process, and nobody left who knew: the next run sees it."""
    killed.deploy()
    before = killed.started("mattermost.service")
    wanted = 20 + attempt
    killed.site["mattermost"]["settings"] = {"TeamSettings.MaxUsersPerTeam": wanted}
    killed.write()
    assert strike(killed, "Mattermost | the server runs it", 0.0)
    assert f'MAXUSERSPERTEAM="{wanted}"' in killed.host.read(ENVIRONMENT), "killed too early"
    assert killed.started("mattermost.service") == before, "killed too late: no proof"
    assert "Mattermost | the server runs it" in killed.deploy().changed
    running = "tr '\\0' '\\n' < /proc/$(systemctl show -p MainPID --value mattermost)/environ"
    assert f"MAXUSERSPERTEAM={wanted}" in killed.host.run(running).stdout
    assert killed.deploy().changed == ()


@pytest.mark.parametrize("unit", ["postgresql@15-main.service", "nginx.service"])
def test_drop_in_by_others_reaches_the_process(killed: Deployment, unit: str) -> None:
    before = killed.started(unit)
    folder = f"/etc/systemd/system/{unit}.d"
    killed.host.run(f"mkdir -p {folder}; printf '[Service]\\nNice=1\\n' > {folder}/by-hand.conf")
    assert killed.deploy().changed
    assert killed.started(unit) != before
    assert killed.deploy().changed == ()


def test_next_run_converges_after_power_cuts(lab: Lab, release: Path, tmp_path: Path) -> None:
    """SIGKILL to everything inside at once. What the host had written stays written."""
    deployment = Deployment(lab, lab.up("cut"), tmp_path, release)
    chance = random.Random(SEED)
    struck = [strike(deployment, name, chance.uniform(0, most), power=True) for name, most in CUTS]
    assert all(struck)
    _converges(deployment)
    deployment.lab.crash(deployment.host)
    deployment.host.start()
    wait_until(lambda: deployment.status() == 200, 60, "the site is back after a last cut")
    assert deployment.deploy().changed == ()
