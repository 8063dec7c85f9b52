"""Runs that end in the middle: the controller killed, the host without power, two at once."""

import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.lab.deployment import ROOT, Deployment
from tests.lab.hosts import Lab

SECONDS_OF_A_FIRST_RUN = 25.0
"""About what the operations of a first run take here; the kills are spread over it."""


def _start(deployment: Deployment) -> subprocess.Popen[bytes]:
    command = deployment.command("pyinfra", "-y", str(deployment.inventory), "deploys/site.py")
    environment = {**os.environ, "PYINFRA_PROGRESS": "off"}
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _holds(deployment: Deployment) -> None:
    """The next run converges, the one after it changes nothing, and the site is proven."""
    deployment.deploy()
    assert deployment.deploy().changed == ()
    run = deployment.verify()
    assert run.status == 0, run.output


def test_the_controller_is_killed_during_the_first_run(
    lab: Lab, release: Path, tmp_path: Path
) -> None:
    deployment = Deployment(lab, lab.up("killed"), tmp_path, release)
    chance = random.Random(3)
    for part in (0.15, 0.4, 0.6, 0.8):
        running = _start(deployment)
        time.sleep(SECONDS_OF_A_FIRST_RUN * part * chance.uniform(0.8, 1.2))
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()
    _holds(deployment)


def test_the_host_loses_power_during_the_first_run(lab: Lab, release: Path, tmp_path: Path) -> None:
    host = lab.up("cut")
    deployment = Deployment(lab, host, tmp_path, release)
    for seconds in (7.0, 16.0):
        running = _start(deployment)
        time.sleep(seconds)
        lab.crash(host)
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()
        lab.start(host)
    _holds(deployment)


@pytest.mark.parametrize("unit", ["mattermost.service", "nginx.service"])
def test_no_restart_is_lost_between_writing_and_restarting(
    lab: Lab, release: Path, tmp_path: Path, unit: str
) -> None:
    """What a run leaves that died just after it wrote the files: newer files, an older process."""
    name = unit.split(".", maxsplit=1)[0]
    host = lab.hosts.get("restarts") or lab.up("restarts")
    deployment = Deployment(lab, host, tmp_path, release)
    deployment.deploy()
    before = deployment.started(unit)
    drop_in = f"/etc/systemd/system/{unit}.d/by-hand.conf"
    host.run(f"mkdir -p /etc/systemd/system/{unit}.d; printf '[Service]\\nNice=1\\n' > {drop_in}")
    changed = deployment.deploy().changed
    assert any("run" in each or "serves" in each for each in changed), changed
    assert deployment.started(unit) != before, f"{name} still runs without its drop-in"
    assert deployment.deploy().changed == ()
