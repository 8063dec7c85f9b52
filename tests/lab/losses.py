"""What a site's users see when a host, a process or a connection of the database is lost."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.lab.hosts import LabHost
from tests.lab.many import PATRONI, ManyHosts
from tests.lab.traffic import Traffic, none_lost_none_doubled

LEADER_GOAL_S, SWITCHOVER_GOAL_S, NO_STALL_S = 25.0, 2.0, 2.0
FROZEN_S = 50
AFTER_S = 40
"""Time that users go on after the loss, so that a late fault is seen."""


@dataclass(frozen=True)
class Loss:
    """Something that is lost, and how long users may wait for their next post."""

    name: str
    goal_s: float
    strike: Callable[[ManyHosts], None]
    heal: Callable[[ManyHosts], None] = lambda _: None
    lasts_s: float = AFTER_S
    tolerance_s: float = 5.0
    """Beyond the goal, which the tests allow on a machine that does other work, too."""


@dataclass(frozen=True)
class Result:
    """What was measured."""

    loss: Loss
    gap_s: float
    """The longest time in which no post was acknowledged."""
    failed: dict[str, int]
    requests: int
    rejoined_s: float
    """From the end of the loss until all members follow again."""


def suffer(site: ManyHosts, loss: Loss) -> Result:
    """Let it happen to a site with users; no acknowledged post may be lost or doubled."""
    site.wait_whole()
    traffic = Traffic(site)
    with traffic as seen:
        loss.strike(site)
        time.sleep(loss.lasts_s)
        loss.heal(site)
        rejoined = site.wait_whole()
        site.wait_healthy()
    none_lost_none_doubled(traffic)
    result = Result(loss, seen.longest_gap, seen.failed, sum(seen.answers.values()), rejoined)
    print(f"{loss.name}: {result}")
    return result


class Struck:
    """Remembers which host was struck, because another one leads afterwards."""

    def __init__(self) -> None:
        self.host: LabHost | None = None

    def power_cut(self, find: Callable[[ManyHosts], LabHost]) -> Callable[[ManyHosts], None]:
        def strike(site: ManyHosts) -> None:
            self.host = find(site)
            site.lab.crash(self.host)

        return strike

    def boot(self, site: ManyHosts) -> None:
        assert self.host
        site.lab.start(self.host)

    def cut_off(self, find: Callable[[ManyHosts], LabHost]) -> Callable[[ManyHosts], None]:
        """From all other hosts of the site; the control machine still reaches it."""

        def strike(site: ManyHosts) -> None:
            self.host = find(site)
            for other in (*site.databases, site.host):
                if other is not self.host:
                    site.lab.cut(self.host, other)

        return strike

    def signal(self, signal: str, process: str) -> Callable[[ManyHosts], None]:
        """To a process of the leader's host."""

        def strike(site: ManyHosts) -> None:
            self.host = site.leader
            self.host.run(f"pkill --signal {signal} -f '{process}'")

        return strike

    def go_on(self, process: str) -> Callable[[ManyHosts], None]:
        def heal(_: ManyHosts) -> None:
            assert self.host
            self.host.run(f"pkill --signal CONT -f '{process}'")

        return heal


def leader(site: ManyHosts) -> LabHost:
    """The host that takes writes."""
    return site.leader


def follower(site: ManyHosts) -> LabHost:
    """One that confirms writes."""
    return site.followers[0]


def _switchover(site: ManyHosts) -> None:
    old, new = site.leader, site.followers[0]
    wanted = f"--leader {old.address} --candidate {new.address} --force"
    old.run(f"timeout 60 patronictl -c {PATRONI} switchover {wanted}")


def _voters(verb: str) -> Callable[[ManyHosts], None]:
    """Two of three voters, so that there is no majority."""

    def strike(site: ManyHosts) -> None:
        for host in site.databases[:2]:
            host.run(f"systemctl {verb} etcd")

    return strike


def _heal_network(site: ManyHosts) -> None:
    site.lab.heal()


POSTMASTER = "^/usr/lib/postgresql/[0-9]*/bin/postgres -D"
OF_PATRONI = "[p]ython3 .*patroni "
_struck = Struck()
LOSSES = (
    Loss("power cut of the leader", LEADER_GOAL_S, _struck.power_cut(leader), _struck.boot),
    Loss("power cut of a follower", NO_STALL_S, _struck.power_cut(follower), _struck.boot),
    Loss("the leader cut off", LEADER_GOAL_S, _struck.cut_off(leader), _heal_network),
    Loss("a follower cut off", NO_STALL_S, _struck.cut_off(follower), _heal_network),
    Loss("PostgreSQL killed on the leader", LEADER_GOAL_S, _struck.signal("KILL", POSTMASTER)),
    Loss("Patroni killed on the leader", LEADER_GOAL_S, _struck.signal("KILL", OF_PATRONI)),
    Loss(
        "Patroni frozen on the leader for 50 s",
        LEADER_GOAL_S,
        _struck.signal("STOP", OF_PATRONI),
        _struck.go_on(OF_PATRONI),
        FROZEN_S,
    ),
    Loss("planned switchover", SWITCHOVER_GOAL_S, _switchover, lasts_s=10),
    Loss("no majority of etcd for 45 s", NO_STALL_S, _voters("stop"), _voters("start"), 45),
)
