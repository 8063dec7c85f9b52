"""What Patroni tells of its cluster, asked on a host by Patroni's own interface."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mattermost_host.engine.batch import Question

PATIENCE_S = 3


@dataclass(frozen=True)
class Way:
    """How Patroni is asked on its host."""

    url: str
    authority: str
    certificate: str
    key: str

    @property
    def curl(self) -> str:
        """curl with what it takes to be let in; reading works without the certificate, too."""
        tls = f"--cacert {self.authority} --cert {self.certificate} --key {self.key}"
        return f"curl --silent --noproxy '*' --max-time {PATIENCE_S} {tls}"

    @property
    def probe(self) -> str:
        """Shell command that succeeds while Patroni answers, whatever PostgreSQL does."""
        return f"{self.curl} -o /dev/null {self.url}/patroni"

    @property
    def has_leader(self) -> str:
        """Shell command that succeeds if some member leads."""
        return f'{self.curl} {self.url}/cluster | grep -q \'"role": *"leader"\''

    @property
    def follows(self) -> str:
        """Shell command that succeeds if this host's PostgreSQL leads, or follows a leader."""
        return (
            f"{self.curl} --fail -o /dev/null {self.url}/primary || "
            f"{self.curl} --fail -o /dev/null {self.url}/replica"
        )


@dataclass(frozen=True)
class Member:
    """A PostgreSQL of the cluster."""

    name: str
    role: str
    """leader, sync_standby, quorum_standby, replica, …"""
    state: str
    """running for a leader, streaming for a replica; anything else does not follow."""
    waits_for_restart: bool = False

    @property
    def is_leader(self) -> bool:
        """Whether it takes writes."""
        return self.role in ("leader", "standby_leader")

    @property
    def works(self) -> bool:
        """Whether it leads or follows."""
        return self.state in ("running", "streaming")


@dataclass(frozen=True)
class ClusterState:
    """What a host's Patroni says of the whole cluster."""

    answered: bool
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Those that lie in etcd."""
    members: tuple[Member, ...] = ()
    leads: bool = False
    """Whether this host is the leader."""
    follows: bool = False
    """Whether this host leads, or follows the leader."""
    waits_for_restart: bool = False
    """Whether this host has parameters that wait for a restart of PostgreSQL."""
    waits_for_lower: bool = False
    """Whether one of them becomes lower, which followers take from the leader only."""
    paused: bool = False
    """Whether an administrator keeps Patroni from acting (maintenance mode)."""


@dataclass(frozen=True)
class AskCluster(Question[ClusterState]):
    """The cluster and its settings."""

    about = "the database's cluster"
    waits = True

    way: Way
    name: str
    """The host's own name there."""

    def script(self) -> str:
        ask = f"{self.way.curl} --fail"
        return (
            f"[ -f {self.way.certificate} ] || {{ echo absent; exit 0; }}\n"
            f'echo "settings=$({ask} {self.way.url}/config)"\n'
            f'echo "cluster=$({ask} {self.way.url}/cluster)"\n'
            f"{ask} -o /dev/null {self.way.url}/primary && echo leads\n"
            f"{{ {self.way.follows}; }} && echo follows"
        )

    def parse(self, lines: list[str]) -> ClusterState:
        told = dict(line.split("=", 1) for line in lines if "=" in line)
        if not (told.get("settings") and told.get("cluster")):
            return ClusterState(answered="absent" in lines)
        cluster = json.loads(told["cluster"])
        none: Mapping[str, Any] = {}
        here = next((one for one in cluster["members"] if one["name"] == self.name), none)
        return ClusterState(
            True,
            json.loads(told["settings"]),
            tuple(map(_member, cluster["members"])),
            leads="leads" in lines,
            follows="follows" in lines,
            waits_for_restart=bool(here.get("pending_restart")),
            waits_for_lower=any(map(_lower, here.get("pending_restart_reason", {}).values())),
            paused=bool(cluster.get("pause")),
        )


def _lower(reason: Mapping[str, str]) -> bool:
    old, new = str(reason.get("old_value")), str(reason.get("new_value"))
    return old.isdigit() and new.isdigit() and int(new) < int(old)


def _member(told: Mapping[str, Any]) -> Member:
    waits = bool(told.get("pending_restart"))
    return Member(told["name"], told["role"], told["state"], waits)
