"""What a component shows to the outside: units, ports and secret files.

Declared once by each component; read by the firewall, the preflight, the verification, the
ports table of the documentation and the tests that try every port from every role.
"""

from dataclasses import dataclass
from typing import Literal

Peer = Literal["world", "loopback"] | str
"""Who may reach a port: everybody, this host only, or the hosts of the named role."""


@dataclass(frozen=True)
class Port:
    """A listening port and who may reach it."""

    number: int
    purpose: str
    reachable_from: Peer
    protocol: Literal["tcp", "udp"] = "tcp"
    process: str = ""
    """Name of the listening process as ``ss -p`` prints it; empty where any will do."""


@dataclass(frozen=True)
class Unit:
    """A systemd unit that is enabled and active."""

    name: str
    user: str = "root"
    max_exposure: float | None = None
    """Upper bound for ``systemd-analyze security``; None where we do not sandbox the unit."""


@dataclass(frozen=True)
class SecretFile:
    """A file that must exist with just this owner, group and mode."""

    path: str
    owner: str = "root"
    group: str = "root"
    mode: str = "600"


@dataclass(frozen=True)
class Surface:
    """All that one component shows."""

    units: tuple[Unit, ...] = ()
    ports: tuple[Port, ...] = ()
    secret_files: tuple[SecretFile, ...] = ()
