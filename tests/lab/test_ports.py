"""Every port from a neighbour: exactly the documented ones answer, over IPv4 and IPv6."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.lab.deployment import Deployment
from tests.lab.hosts import Lab, LabHost
from tests.lab.scan import answered, listen, open_ports

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
    listen(host, OTHER_ROLES, UDP)
    yield host


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
    assert answered(host, address, UDP) == {*UDP}, "nothing listens, so no proof"
    assert open_ports(neighbour, address, CLOSED) == set()
    assert answered(neighbour, address, UDP) == set()
    host.run(f"systemctl stop {FIREWALL}")
    try:
        assert open_ports(neighbour, address, CLOSED) == CLOSED
        assert answered(neighbour, address, UDP) == {*UDP}
    finally:
        host.run(f"systemctl start {FIREWALL}")
