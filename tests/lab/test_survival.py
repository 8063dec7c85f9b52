"""Runs that end in the middle: the controller killed, the host without power."""

import json
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
PROCESSES = {
    "server": "systemctl show -p MainPID --value mattermost",
    "database": "systemctl show -p MainPID --value postgresql@15-main",
    "proxy": "pgrep -n -f 'nginx: worker'",  # a reload leaves the master, and has new workers
}
READ_BY = {
    ENVIRONMENT: "server",
    "/etc/systemd/system/mattermost.service": "server",
    "/opt/mattermost/current": "server",
    "/etc/postgresql/15/main/conf.d/mattermost-host.conf": "database",
    "/etc/nginx/nginx.conf": "proxy",
    "/etc/nginx/conf.d/mattermost.conf": "proxy",
    "/etc/mattermost-host/tls/fullchain.pem": "proxy",
}
YOUNGER = """
import json, os, sys, time
ticks, up = os.sysconf("SC_CLK_TCK"), float(open("/proc/uptime").read().split()[0])
def started(pid):
    fields = open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()
    return time.time() - up + int(fields[19]) / ticks
pairs = json.load(sys.stdin)
print(json.dumps([path for pid, path in pairs if os.lstat(path).st_ctime > started(pid) + 0.1]))
"""


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
    assert _lost_restarts(deployment) == []
    deployment.verify()


def _lost_restarts(deployment: Deployment) -> list[str]:
    """Files that are younger than the process that reads them, found without the product."""
    pids = {
        unit: deployment.host.run(command).stdout.strip() for unit, command in PROCESSES.items()
    }
    asked = json.dumps([(pids[unit], path) for path, unit in READ_BY.items()])
    found: list[str] = json.loads(
        deployment.host.run(f"python3 -c '{YOUNGER}'", stdin=asked).stdout
    )
    return found


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


@pytest.mark.parametrize("attempt", range(2))
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
    assert _lost_restarts(killed) == [ENVIRONMENT]
    assert "Mattermost | the server runs it" in killed.deploy().changed
    running = "tr '\\0' '\\n' < /proc/$(systemctl show -p MainPID --value mattermost)/environ"
    assert f"MAXUSERSPERTEAM={wanted}" in killed.host.run(running).stdout
    assert killed.deploy().changed == ()


@pytest.mark.parametrize(
    ("unit", "stays"),
    [
        ("postgresql@15-main.service", True),
        ("mattermost.service", False),
        ("nginx.service", False),
    ],
)
def test_drop_in_by_hand_reaches_the_process_or_is_gone(
    killed: Deployment, unit: str, stays: bool
) -> None:
    """A unit of the distribution may have drop-ins of others; of ours we know every line."""
    before = killed.started(unit)
    folder = f"/etc/systemd/system/{unit}.d"
    killed.host.run(f"mkdir -p {folder}; printf '[Service]\\nNice=1\\n' > {folder}/by-hand.conf")
    if not stays:
        killed.host.run(f"systemctl daemon-reload; systemctl restart {unit}")
        assert _nice(killed, unit) == 1
        before = killed.started(unit)
    assert killed.deploy().changed
    assert killed.started(unit) != before
    assert _nice(killed, unit) == (1 if stays else 0)
    assert killed.deploy().changed == ()


def _nice(deployment: Deployment, unit: str) -> int:
    """Of the running process, not of the unit's files."""
    script = f"ps -o ni= -p $(systemctl show -p MainPID --value {unit})"
    return int(deployment.host.run(script).stdout)


def test_server_started_without_database_waits_for_it(killed: Deployment) -> None:
    """It gives up after seconds, and systemd starts it again until there is a database."""
    host, cluster = killed.host, "postgresql@15-main"
    host.run(f"systemctl stop {cluster}; systemctl mask --runtime {cluster}")
    host.run("systemctl kill -s KILL mattermost")
    wait_until(lambda: _restarts(killed) > 1, 60, "systemd tries more than once")
    assert killed.status() != 200
    host.run(f"systemctl unmask --runtime {cluster}; systemctl start {cluster}")
    killed.wait_healthy()
    assert killed.deploy().changed == ()


def _restarts(deployment: Deployment) -> int:
    return int(deployment.host.run("systemctl show -p NRestarts --value mattermost").stdout)


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
