"""Which ports of an address answer, asked from a lab host with its own Python."""

import json
import time
from collections.abc import Iterable

from tests.lab.hosts import LabHost
from tests.lab.shell import wait_until

# 2 s leave time for a second SYN, should the first have been lost.
_SCANNER = """
import json, resource, selectors, socket, sys, time
address, ports = json.load(sys.stdin)
family = socket.AF_INET6 if ":" in address else socket.AF_INET
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 16384), hard))

def accepting(ports):
    waiting, found = selectors.DefaultSelector(), []
    for port in ports:
        client = socket.socket(family, socket.SOCK_STREAM)
        client.setblocking(False)
        client.connect_ex((address, port))
        waiting.register(client, selectors.EVENT_WRITE, port)
    end = time.monotonic() + 2
    while waiting.get_map() and time.monotonic() < end:
        for key, _ in waiting.select(timeout=0.1):
            if key.fileobj.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0:
                found.append(key.data)
            waiting.unregister(key.fileobj)
            key.fileobj.close()
    for key in list(waiting.get_map().values()):
        key.fileobj.close()
    waiting.close()
    return found

batch = 15000
json.dump([p for i in range(0, len(ports), batch) for p in accepting(ports[i:i+batch])], sys.stdout)
"""

_LISTENER = """
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

_ASK_UDP = """
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

_PROTOCOL = """
import json, socket, sys
number, address = json.loads(sys.argv[1])
wire = socket.socket(socket.AF_INET, socket.SOCK_RAW, number)
if address:
    wire.sendto(b"hello", (address, 0))
    sys.exit()
print("ready", flush=True)
while True:
    print("from", wire.recvfrom(64)[1][0], flush=True)
"""


def open_ports(
    source: LabHost, address: str, ports: Iterable[int] = range(1, 65536)
) -> frozenset[int]:
    """The `ports` at `address` (IPv4 or IPv6) that accept a connection from `source`.

    All 65,535 take about 5 s where a host refuses, and 35 s where it drops.
    """
    source.write("/tmp/scan.py", _SCANNER)
    asked = json.dumps([address, list(ports)])
    return frozenset(json.loads(source.run("python3 /tmp/scan.py", stdin=asked).stdout))


def listen(host: LabHost, tcp: Iterable[int], udp: Iterable[int] = ()) -> None:
    """Let something answer at these ports of `host`, on all its addresses, from now on."""
    asked = json.dumps([[host.address, host.address6], [*tcp], [*udp]])
    _begin(host, "listener", _LISTENER, asked)


def answered(source: LabHost, address: str, ports: Iterable[int]) -> set[int]:
    """Of the UDP `ports` at `address` where `listen` is at work, those that answer `source`."""
    source.write("/tmp/ask.py", _ASK_UDP)
    asked = json.dumps([address, [*ports]])
    return set(json.loads(source.run(f"python3 /tmp/ask.py '{asked}'").stdout))


def hear(host: LabHost, protocol: int) -> None:
    """Let `host` write down from now on what comes by an IP protocol beside TCP and UDP."""
    _begin(host, f"protocol-{protocol}", _PROTOCOL, json.dumps([protocol, ""]))


def heard(host: LabHost, protocol: int, source: LabHost) -> bool:
    """Whether a packet of `protocol` reaches `host`, where `hear` is at work, from `source`.

    Sent to its own address: the lab's network would send one to a group on in another's name.
    """
    source.write("/tmp/send.py", _PROTOCOL)
    asked = json.dumps([protocol, host.address])
    look = f"journalctl -u protocol-{protocol} -o cat | grep -c 'from {source.address}$'"
    before = host.run(look, check=False).stdout
    for _ in range(3):
        source.run(f"python3 /tmp/send.py '{asked}'")
        time.sleep(0.3)
        if host.run(look, check=False).stdout != before:
            return True
    return False


def _begin(host: LabHost, unit: str, program: str, asked: str) -> None:
    host.write(f"/root/{unit}.py", program)
    host.run(f"systemd-run -q --unit={unit} python3 /root/{unit}.py '{asked}'")
    wait_until(
        lambda: "ready" in host.run(f"journalctl -u {unit} -o cat").stdout, 30, f"{unit} is ready"
    )
