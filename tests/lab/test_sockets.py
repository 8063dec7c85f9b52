"""2,000 WebSockets at once through the proxy, and limits that hold 10,000."""

import json
import re
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from mattermost_host.verify.api_client import Client, member
from tests.lab import crowd
from tests.lab.deployment import Deployment
from tests.lab.hosts import Lab, LabHost

SOCKETS = 2_000
SECONDS = 120  # for all of them to come, and to be told
DOCUMENTED = 10_000
"""WebSockets that connections and file limits must hold."""
ORDINARY = 200
"""Descriptors that a process needs besides its WebSockets: listeners, logs, database, requests."""
SLOWEST = 10.0
"""Seconds for an ordinary request while 2,000 handshakes share the machine's two cores with it."""


@pytest.fixture(scope="module")
def deployment(
    lab: Lab, release: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    """A site that nobody uses yet."""
    made = Deployment(lab, lab.up("sockets"), tmp_path_factory.mktemp("sockets"), release)
    made.deploy()
    yield made


@pytest.fixture(scope="module")
def neighbour(lab: Lab) -> LabHost:
    """Where the clients are."""
    host = lab.up("clients")
    host.write("/root/crowd.py", Path(crowd.__file__).read_text(encoding="utf-8"))
    return host


def test_an_event_reaches_all_and_ordinary_requests_go_on(
    deployment: Deployment, neighbour: LabHost
) -> None:
    before = deployment.started("mattermost.service", "nginx.service")
    with deployment.administrator() as administrator, ThreadPoolExecutor() as aside:
        channel = _town_square(administrator)
        crowded = aside.submit(_crowd, deployment, neighbour, administrator.token)
        slowest = _ask_until(administrator, crowded, deployment.host)
        administrator.made("/posts", json={"channel_id": channel, "message": "To all of you."})
        assert crowded.result() == {"greeted": SOCKETS, "told": SOCKETS, "errors": []}
    assert slowest < SLOWEST
    assert deployment.started("mattermost.service", "nginx.service") == before


def _town_square(administrator: Client) -> str:
    team = {"name": "crowd", "display_name": "Crowd", "type": "O"}
    path = f"/teams/{administrator.made('/teams', json=team)}/channels/name/town-square"
    return member(administrator.ask("GET", path, 200), "id")


def _crowd(deployment: Deployment, neighbour: LabHost, token: str) -> dict[str, object]:
    """What the clients counted; they end by themselves."""
    asked = {
        "address": deployment.host.address,
        "name": deployment.name,
        "token": token,
        "count": SOCKETS,
        "seconds": SECONDS,
    }
    command = "python3 /root/crowd.py"
    said = neighbour.run(command, stdin=json.dumps(asked), timeout=SECONDS + 30).stdout
    found: dict[str, object] = json.loads(said)
    return found


def _ask_until(client: Client, crowded: Future[dict[str, object]], host: LabHost) -> float:
    """Ask something ordinary until all sockets are there; the seconds of the slowest answer."""
    slowest, count = 0.0, 0
    while not crowded.done() and count < SOCKETS:
        start = time.monotonic()
        client.ask("GET", "/users/me", 200)
        slowest = max(slowest, time.monotonic() - start)
        count = int(host.run("ss -Htn state established 'dport = 8065' | wc -l").stdout)
    return slowest


def test_limits_hold_the_documented_number(deployment: Deployment) -> None:
    """A proxied WebSocket is two descriptors of a worker and one of the server.

    What the processes really have is bounded by the machine below: here all workers together
    must hold the sockets, as no more can be given to one of them.
    """
    host = deployment.host
    workers = host.run("pgrep -f 'nginx: worker'").stdout.split()
    files = [_open_files(host, pid) for pid in workers]
    assert sum(files) >= 2 * DOCUMENTED + ORDINARY * len(workers), files
    server = host.run("systemctl show -p MainPID --value mattermost").stdout.strip()
    assert _open_files(host, server) >= DOCUMENTED + ORDINARY


def test_settings_hold_the_documented_number_in_one_worker(deployment: Deployment) -> None:
    """The kernel does not spread connections evenly, so what we ask for is enough for one."""
    configured = deployment.host.run("nginx -T 2>/dev/null").stdout
    connections = int(re.findall(r"worker_connections (\d+);", configured)[0])
    assert connections >= 2 * DOCUMENTED
    unit = deployment.host.run("systemctl cat nginx mattermost").stdout
    asked = [int(number) for number in re.findall(r"LimitNOFILE=(\d+)", unit)]
    assert min(asked) >= 2 * DOCUMENTED


def _open_files(host: LabHost, pid: str) -> int:
    """The soft limit, which is what counts."""
    limits = host.read(f"/proc/{pid}/limits")
    return int(re.findall(r"Max open files +(\d+)", limits)[0])
