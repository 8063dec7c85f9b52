"""Nobody sees an error while a release is moved or a service restarts: none lost, none doubled."""

import re
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.lab.deployment import Deployment
from tests.lab.hosts import Lab
from tests.lab.runbook import typed
from tests.lab.traffic import Traffic, none_lost_none_doubled
from tests.lab.upgrades import KNOWN, NEW, current, state, upgrade
from tests.standin.build import build

OLD, PATCH = "10.11.15", "10.11.16"
MOVES = (PATCH, KNOWN, NEW)
DROP_IN = "/etc/systemd/system/nginx.service.d/mattermost-host.conf"
UNITS = ("mattermost.service", "nginx.service", "postgresql@15-main.service")


@pytest.fixture(scope="module")
def tarballs(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """The stand-in in each version."""
    folder = tmp_path_factory.mktemp("releases")
    return {version: build(folder, version) for version in (OLD, *MOVES)}


@pytest.fixture(scope="module")
def deployment(
    lab: Lab, tarballs: Mapping[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    """A site with the old version."""
    made = Deployment(lab, lab.up("traffic"), tmp_path_factory.mktemp("traffic"), tarballs[OLD])
    made.deploy()
    yield made


def _says(what: str, traffic: Traffic) -> None:
    seen = traffic.seen
    print(f"{what}: {sum(seen.answers.values())} requests, slowest {seen.slowest:.1f} s")


@pytest.mark.parametrize("version", MOVES)
def test_no_request_fails_over_an_upgrade(
    deployment: Deployment, tarballs: Mapping[str, Path], version: str
) -> None:
    state(deployment, tarballs[version])
    traffic = Traffic(deployment)
    with traffic as seen:
        done = upgrade(deployment)
    print(done.output)
    _says(f"upgrade to {version}", traffic)
    # The verification comes while everybody who waited is served: it may find the server busy.
    assert "serves: its status, a log-in and a post were tested" in done.words
    assert f"/{version}-" in current(deployment)
    held = re.search(r"held back from users for (\d+) s", done.words)
    assert held
    assert seen.slowest < max(5, 3 * int(held[1]) + 5), "TCP tries again at growing distances"
    assert seen.failed == {}
    assert seen.answers["POST 201"] > 100
    none_lost_none_doubled(traffic)
    assert deployment.deploy().changed == ()


def _restarted(deployment: Deployment, before: Mapping[str, str]) -> set[str]:
    after = deployment.started(*UNITS)
    return {unit for unit in UNITS if after[unit] != before[unit]}


def test_no_request_fails_while_the_server_and_postgresql_restart(deployment: Deployment) -> None:
    deployment.site["mattermost"]["settings"] = {"SqlSettings.MaxOpenConns": 150}
    deployment.write()
    before = deployment.started(*UNITS)
    traffic = Traffic(deployment)
    with traffic as seen:
        deployment.run(*typed("Restarts", deployment), "--yes")
    _says("restart of server and PostgreSQL", traffic)
    assert _restarted(deployment, before) == {"mattermost.service", "postgresql@15-main.service"}
    assert seen.failed == {}
    none_lost_none_doubled(traffic)
    assert deployment.deploy().changed == ()


def test_no_request_fails_while_nginx_restarts(deployment: Deployment) -> None:
    deployment.host.run(
        f"sed -i '$ a # by hand' {DROP_IN}; systemctl daemon-reload; systemctl restart nginx"
    )
    before = deployment.started(*UNITS)
    traffic = Traffic(deployment)
    with traffic as seen:
        deployment.deploy()
    _says("restart of NGINX", traffic)
    assert _restarted(deployment, before) == {"nginx.service"}
    assert seen.failed == {}
    none_lost_none_doubled(traffic)
    assert deployment.deploy().changed == ()


def _slow_upload(deployment: Deployment, seconds: int, answers: list[str]) -> None:
    """A file that takes so long to send, on a line of its own."""
    tls = ssl.create_default_context(cafile=str(deployment.authority_file))
    with deployment.administrator() as person:
        me = person.ask("GET", "/users/me", 200).json()["id"]
        channel = person.made("/channels/direct", json=[me, me])
        token = person.token
    size = 1024 * seconds
    path = f"/api/v4/files?channel_id={channel}&filename=slow.bin"
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {deployment.name}\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/octet-stream\r\nContent-Length: {size}\r\n"
        "Connection: close\r\n\r\n"
    )
    plain = socket.create_connection((deployment.host.address, 443), timeout=120)
    with tls.wrap_socket(plain, server_hostname=deployment.name) as line:
        line.sendall(head.encode())
        for _ in range(seconds):
            line.sendall(b"x" * 1024)
            time.sleep(1)
        answers.append(line.recv(4096).decode(errors="replace").partition("\r\n")[0])


def test_a_slow_upload_may_end_before_the_server_restarts(deployment: Deployment) -> None:
    answers: list[str] = []
    upload = threading.Thread(target=_slow_upload, args=(deployment, 40, answers))
    deployment.site["mattermost"]["settings"] = {"TeamSettings.SiteName": "Slow"}
    deployment.write()
    before = deployment.started(*UNITS)
    upload.start()
    time.sleep(3)
    deployment.deploy()
    upload.join()
    assert "mattermost.service" in _restarted(deployment, before)
    (answer,) = answers
    assert re.match(r"HTTP/1.1 201", answer), answer


def test_events_come_to_a_websocket(deployment: Deployment) -> None:
    """It has an address of its own on the way to the server."""
    deployment.verify("--journey")


def test_who_can_t_wait_any_longer_reads_a_page_of_maintenance(deployment: Deployment) -> None:
    deployment.host.run("systemctl stop mattermost")
    with deployment.client() as client:
        answer = client.send("GET", "/users/me")
    deployment.host.run("systemctl start mattermost")
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "10"
    assert answer.json()["id"] == "proxy.away"
