"""Every port from a neighbour: exactly the documented ones answer, over IPv4 and IPv6."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.deployment import Deployment
from tests.lab.hosts import Lab, LabHost

DOCUMENTED = {22, 80, 443}
# Opened on the host by hand, on every address: the firewall, not the lack of a listener, must
# be what closes a port. These are the ports that the documents give to other roles.
OTHER_ROLES = (5432, 8065, 8067, 8074, 8075, 9100)


@pytest.fixture(scope="module")
def neighbour(lab: Lab) -> LabHost:
    return lab.up("neighbour")


@pytest.fixture(scope="module")
def deployment(
    lab: Lab, release: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    made = Deployment(lab, lab.up("ports"), tmp_path_factory.mktemp("ports"), release)
    made.deploy()
    yield made


@pytest.fixture(scope="module")
def listeners(deployment: Deployment) -> None:
    """Something that would answer on the ports of other roles."""
    script = (
        "import socket,time\n"
        "kept=[]\n"
        f"for port in {OTHER_ROLES}:\n"
        "    for family,address in ((socket.AF_INET,deployment4),(socket.AF_INET6,deployment6)):\n"
        "        s=socket.socket(family); s.setsockopt(socket.SOL_SOCKET,socket.SO_REUSEADDR,1)\n"
        "        s.bind((address,port)); s.listen(); kept.append(s)\n"
        "time.sleep(900)\n"
    )
    script = script.replace("deployment4", repr(deployment.host.address))
    script = script.replace("deployment6", repr(deployment.host.address6))
    deployment.host.write("/root/listen.py", script)
    deployment.host.run("systemd-run --unit=other-roles python3 /root/listen.py")
    deployment.host.run("for i in $(seq 50); do ss -tln | grep -q :9100 && break; sleep 0.1; done")


SCAN = """
import asyncio, sys
async def probe(address, port, open_ports, gate):
    async with gate:
        try:
            _, writer = await asyncio.wait_for(asyncio.open_connection(address, port), 1.5)
        except (OSError, asyncio.TimeoutError):
            return
        open_ports.append(port); writer.close()
async def main(address, ports):
    open_ports, gate = [], asyncio.Semaphore(4000)
    await asyncio.gather(*(probe(address, port, open_ports, gate) for port in ports))
    print(*sorted(open_ports))
asyncio.run(main(sys.argv[1], range(1, 65536)))
"""


@pytest.mark.usefixtures("listeners")
@pytest.mark.parametrize("family", ["IPv4", "IPv6"])
def test_a_neighbour_reaches_the_documented_ports_and_no_others(
    deployment: Deployment, neighbour: LabHost, family: str
) -> None:
    address = deployment.host.address if family == "IPv4" else deployment.host.address6
    neighbour.write("/root/scan.py", SCAN)
    found = neighbour.run(f"ulimit -n 8192; python3 /root/scan.py {address}", timeout=300).stdout
    assert set(map(int, found.split())) == DOCUMENTED


@pytest.mark.usefixtures("listeners")
@pytest.mark.parametrize("port", OTHER_ROLES)
def test_the_port_of_another_role_answers_on_the_host_only(
    deployment: Deployment, neighbour: LabHost, port: int
) -> None:
    probe = f"timeout 2 bash -c '</dev/tcp/{deployment.host.address}/{port}'"
    assert deployment.host.run(probe, check=False).returncode == 0, "nothing listens: no proof"
    assert neighbour.run(probe, check=False).returncode != 0
