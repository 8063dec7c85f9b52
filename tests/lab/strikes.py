"""Runs that end in the middle: the controller killed, or the host without power; and the proof that
the next run puts all right."""

import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass

from tests.lab.deployment import Deployment

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


@dataclass(frozen=True)
class Blow:
    """Where a run is struck: so many seconds after an operation has begun."""

    operation: str
    seconds: float
    power: bool = False
    """The host loses its power, rather than the controller its life."""

    def __str__(self) -> str:
        kind = "power cut" if self.power else "kill"
        return f"{kind} {self.seconds:.2f} s into {self.operation}"


def blows(operations: Sequence[tuple[str, float]], kills: int, cuts: int, seed: int) -> list[Blow]:
    """So many of each kind, spread over ``operations`` with the seconds that each takes at most.

    The same ``seed`` gives the same blows.
    """
    chance = random.Random(seed)
    made: list[Blow] = []
    for number, power in ((kills, False), (cuts, True)):
        # All operations before any comes twice.
        rounds, rest = divmod(number, len(operations))
        chosen = list(operations) * rounds + chance.sample(list(operations), rest)
        made += [Blow(name, chance.uniform(0, most), power) for name, most in chosen]
    return made


def strike(deployment: Deployment, blow: Blow) -> bool:
    """Begin a deploy and strike it; False where it ended before, because nothing was left there."""
    said = []
    with deployment.start() as running:
        assert running.stdout
        for line in running.stdout:
            said.append(line)
            if f"Starting operation: {blow.operation}" in line:
                time.sleep(blow.seconds)
                _end(deployment, running, blow.power)
                return True
    assert running.returncode == 0, "".join(said)
    return False


def _end(deployment: Deployment, running: subprocess.Popen[str], power: bool) -> None:
    if power:
        deployment.lab.crash(deployment.host)
        running.communicate()  # the controller sees by itself that the host is gone
        deployment.lab.start(deployment.host)
        assert running.returncode == 1
    else:
        os.killpg(running.pid, signal.SIGKILL)
        running.communicate()
        assert running.returncode == -signal.SIGKILL, "it had ended by itself before"


def converges(deployment: Deployment) -> None:
    """The next run puts all right, a plan has nothing to do, and nothing runs old files."""
    deployment.deploy()
    deployment.run("mattermost-host", "plan", str(deployment.inventory))
    assert lost_restarts(deployment) == []
    deployment.verify()


def lost_restarts(deployment: Deployment) -> list[str]:
    """Files that are younger than the process that reads them, found without the product."""
    pids = {
        unit: deployment.host.run(command).stdout.strip() for unit, command in PROCESSES.items()
    }
    asked = json.dumps([(pids[unit], path) for path, unit in READ_BY.items()])
    found: list[str] = json.loads(
        deployment.host.run(f"python3 -c '{YOUNGER}'", stdin=asked).stdout
    )
    return found


def digests(deployment: Deployment) -> dict[str, str]:
    """The digest of each file that a service reads, as it stands now."""
    lines = deployment.host.run(f"sha256sum {' '.join(FILES)}", check=False).stdout.splitlines()
    return {path: digest for digest, path in (line.split("  ") for line in lines)}


FILES = [path for path in READ_BY if not path.endswith("/current")]
