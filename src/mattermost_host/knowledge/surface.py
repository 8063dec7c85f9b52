"""What a component shows to the outside: units, ports, protocols and secret files.

Declared once by each component; read by the firewall, the preflight, the verification, the
ports table of the documentation and the tests that try every port from every role.
"""

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class Peers:
    """The hosts of ``roles``, by their stated private addresses or by all of their addresses."""

    roles: tuple[str, ...]
    by: Literal["private", "all"] = "private"


@dataclass(frozen=True)
class Networks:
    """Clients in these addresses or networks (``192.0.2.0/24``)."""

    networks: tuple[str, ...]


Reach = Literal["world", "loopback"] | Peers | Networks
"""Who may reach something: everybody, this host only, hosts of some roles, or some networks."""


@dataclass(frozen=True)
class Port:
    """A listening port and who may reach it."""

    number: int
    purpose: str
    reachable_from: Reach
    protocol: Literal["tcp", "udp"] = "tcp"
    process: str = ""
    """Name of the listening process as ``ss -p`` prints it; empty: any process."""
    address: str = ""
    """The address that it binds to; empty: every address."""


@dataclass(frozen=True)
class Protocol:
    """An IP protocol other than TCP and UDP, such as VRRP (112), and who may send it."""

    number: int
    purpose: str
    reachable_from: Peers | Networks


@dataclass(frozen=True)
class Unit:
    """A systemd unit that is enabled and active."""

    name: str
    user: str = "root"
    max_exposure: float | None = None
    """Upper bound for ``systemd-analyze security``; None if the unit has no sandbox of ours."""
    probe: str = ""
    """Shell command that succeeds while the service answers; empty if there is none."""


@dataclass(frozen=True)
class SecretFile:
    """A file that must exist with this owner and group, and at most this mode."""

    path: str
    owner: str = "root"
    group: str = "root"
    mode: str = "600"


@dataclass(frozen=True)
class Surface:
    """What one component shows to the outside."""

    units: tuple[Unit, ...] = ()
    ports: tuple[Port, ...] = ()
    protocols: tuple[Protocol, ...] = ()
    secret_files: tuple[SecretFile, ...] = ()


@dataclass(frozen=True)
class Wanted:
    """Secrets of the site that a component needs; missing ones are generated once."""

    database_password: bool = False
    backup_key: bool = False
    certificates: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Certificates from the site's own authority: purpose -> names."""
    between_hosts: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """The same for both ends of connections between hosts, without a common name."""
    passwords: frozenset[str] = frozenset()
    """Names of accounts between hosts; each gets a password."""

    def __or__(self, other: "Wanted") -> "Wanted":
        """The secrets of both."""
        return Wanted(
            self.database_password or other.database_password,
            self.backup_key or other.backup_key,
            {**self.certificates, **other.certificates},
            {**self.between_hosts, **other.between_hosts},
            self.passwords | other.passwords,
        )
