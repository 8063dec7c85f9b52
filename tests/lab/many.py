"""A site whose database is on several hosts of the lab."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.lab.deployment import Deployment
from tests.lab.hosts import Lab, LabHost
from tests.lab.shell import wait_until

PATRONI = "/etc/mattermost-host/patroni/patroni.yml"
PATRONICTL = "env PATH=/opt/mattermost-host/patroni/bin:$PATH patronictl"
"""Of the wheel where there is one, else the distribution's."""
SUITE = "trixie"
WELL_S = 120.0
"""Time for a host that comes back to follow again."""


@dataclass(frozen=True)
class Member:
    """A database as Patroni lists it."""

    host: LabHost
    role: str
    state: str


class ManyHosts(Deployment):
    """An inventory of hosts with etcd and a database each, and one with server and proxy."""

    def __init__(
        self,
        lab: Lab,
        databases: Sequence[LabHost],
        server: LabHost,
        folder: Path,
        release: Path,
        **site: Any,
    ) -> None:
        self.databases = list(databases)
        super().__init__(lab, server, folder, release, **site)

    def write(self) -> None:
        """Put the inventory on disk."""
        databases = [(one.address, self.connection(one)) for one in self.databases]
        server = (self.host.address, self.connection(self.host))
        lines = [
            f"site = {self.site!r}",
            f"etcd = db = {databases!r}",
            f"app = proxy = [{server!r}]",
        ]
        self.inventory.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def members(self) -> list[Member]:
        """What Patroni on any host that answers says of all."""
        for host in self.databases:
            if not host.running:
                continue
            asked = f"timeout 10 {PATRONICTL} -c {PATRONI} list -f json"
            said = host.run(asked, check=False, timeout=20).stdout
            if said.startswith("["):
                return [self._member(one) for one in json.loads(said)]
        return []

    def _member(self, told: Mapping[str, Any]) -> Member:
        (host,) = (one for one in self.databases if one.address == told["Member"])
        return Member(host, told["Role"], told["State"])

    @property
    def leader(self) -> LabHost:
        """The host that takes writes."""
        (found,) = (one.host for one in self.members() if one.role == "Leader")
        return found

    @property
    def followers(self) -> list[LabHost]:
        """The others."""
        return [one.host for one in self.members() if one.role != "Leader"]

    def is_whole(self) -> bool:
        """Whether one leads and all others stream from it."""
        members = self.members()
        states = sorted(one.state for one in members if one.host.running)
        leaders = [one for one in members if one.role == "Leader"]
        wanted = ["running", *["streaming"] * (len(self.databases) - 1)]
        return len(leaders) == 1 and states == wanted

    def wait_whole(self) -> float:
        """Wait until that is so; the seconds it took."""
        return wait_until(self.is_whole, WELL_S, "the database has a leader and all follow", 0.5)


def raised(lab: Lab, folder: Path, release: Path, suite: str = SUITE) -> ManyHosts:
    """A site on three hosts of the database and one with server and proxy, deployed."""
    site = booted(lab, folder, release, suite)
    site.deploy()
    return site


def booted(
    lab: Lab, folder: Path, release: Path, suite: str = SUITE, **described: Any
) -> ManyHosts:
    """The same before its first deploy, with more that the inventory says."""
    databases = [lab.up(f"db{number}", suite) for number in (1, 2, 3)]
    return ManyHosts(lab, databases, lab.up("chat", suite), folder, release, **described)
