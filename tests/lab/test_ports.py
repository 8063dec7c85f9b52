"""Every port from a neighbour: exactly the documented ones answer, over IPv4 and IPv6."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.lab.deployment import Deployment
from tests.lab.hosts import Lab, LabHost
from tests.lab.scan import open_ports
from tests.lab.shell import wait_until

DOCUMENTED = {22, 80, 443}
# Opened on the host by hand, on every address: the firewall, not the lack of a listener, must
# be what closes a port. These are the ports that the documents give to other roles, and what
# stands on such hosts besides.
OTHER_ROLES = (5432, 6432, 8065, 8074, 8075, 9090, 9100, 9187)
PROFILER = 8067
"""The server itself opens it on every address, with a profiler that asks for no log-in."""
CLOSED = {*OTHER_ROLES, PROFILER}
UDP = (123, 161, 546, 8074, 8075)
FIREWALL = "mattermost-firewall"

LISTENER = """
import json, selectors, socket, sys
addresses, tcp, udp = json.loads(sys.argv[1])
ready = selectors.DefaultSelector()
for address in addresses:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    for port in tcp:
        listener = socket.socket(family)
        listener.bind((address, port))
        listener.listen()
        ready.register(listener, selectors.EVENT_READ, "tcp")
    for port in udp:
        echo = socket.socket(family, socket.SOCK_DGRAM)
        echo.bind((address, port))
        ready.register(echo, selectors.EVENT_READ, "udp")
print("ready", flush=True)
while True:
    for key, _ in ready.select():
        if key.data == "tcp":
            key.fileobj.accept()[0].close()
        else:
            key.fileobj.sendto(*key.fileobj.recvfrom(64))
"""

ASK_UDP = """
import json, selectors, socket, sys, time
address, ports = json.loads(sys.argv[1])
family = socket.AF_INET6 if ":" in address else socket.AF_INET
waiting, answered = selectors.DefaultSelector(), []
for port in ports:
    client = socket.socket(family, socket.SOCK_DGRAM)
    client.connect((address, port))
    waiting.register(client, selectors.EVENT_READ, port)
for attempt in range(3):
    for key in waiting.get_map().values():
        key.fileobj.send(b"?")
    end = time.monotonic() + 0.5
    while (left := end - time.monotonic()) > 0:
        for key, _ in waiting.select(timeout=left):
            key.fileobj.recv(64)
            answered.append(key.data)
print(json.dumps(sorted(set(answered))))
"""


@pytest.fixture(scope="module")
def neighbour(lab: Lab) -> LabHost:
    return lab.up("neighbour")


@pytest.fixture(scope="module")
def host(lab: Lab, release: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabHost]:
    """A deployed host, on which something answers on the ports of other roles."""
    settings = {"settings": {"MetricsSettings.Enable": True}}
    folder = tmp_path_factory.mktemp("ports")
    made = Deployment(lab, lab.up("ports"), folder, release, mattermost=settings)
    made.deploy()
    host = made.host
    asked = json.dumps([[host.address, host.address6], OTHER_ROLES, UDP])
    host.write("/root/listen.py", LISTENER)
    host.run(f"systemd-run --unit=other-roles python3 /root/listen.py '{asked}'")
    wait_until(
        lambda: "ready" in host.run("journalctl -u other-roles -o cat").stdout, 30, "they listen"
    )
    yield host


def _udp(source: LabHost, address: str) -> set[int]:
    source.write("/root/ask.py", ASK_UDP)
    asked = json.dumps([address, UDP])
    return set(json.loads(source.run(f"python3 /root/ask.py '{asked}'").stdout))


def test_neighbour_reaches_the_documented_ports_and_no_others(
    host: LabHost, neighbour: LabHost
) -> None:
    addresses = (host.address, host.address6)
    with ThreadPoolExecutor() as both:
        found = both.map(lambda address: open_ports(neighbour, address), addresses)
    assert dict(zip(addresses, found, strict=True)) == dict.fromkeys(addresses, DOCUMENTED)


@pytest.mark.parametrize("family", ["IPv4", "IPv6"])
def test_ports_of_other_roles_are_closed_by_the_firewall(
    host: LabHost, neighbour: LabHost, family: str
) -> None:
    address = host.address if family == "IPv4" else host.address6
    assert open_ports(host, address, CLOSED) == CLOSED, "nothing listens, so no proof"
    assert _udp(host, address) == {*UDP}, "nothing listens, so no proof"
    assert open_ports(neighbour, address, CLOSED) == set()
    assert _udp(neighbour, address) == set()
    host.run(f"systemctl stop {FIREWALL}")
    try:
        assert open_ports(neighbour, address, CLOSED) == CLOSED
        assert _udp(neighbour, address) == {*UDP}
    finally:
        host.run(f"systemctl start {FIREWALL}")
