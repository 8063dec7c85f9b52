"""The firewall among many hosts, in both engines: who comes in is who was declared, by address,
over IPv4, IPv6 and protocols without ports; what was changed by hand is seen and undone.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from ipaddress import ip_network
from pathlib import Path
from typing import TypeVar

import pytest

from mattermost_host.components import firewall
from mattermost_host.engine.batch import Question
from mattermost_host.facts.place import UNASKED, Peer
from mattermost_host.knowledge.families import FirewallEngine
from mattermost_host.site.site import Site
from tests.host import asking, judge, judge_firewalld
from tests.lab import doors
from tests.lab.deployment import Deployment
from tests.lab.doors import GOSSIP, HTTPS, METRICS, PEER_PORT, VRRP
from tests.lab.hosts import Lab, LabHost
from tests.lab.scan import answered, hear, heard, listen, open_ports

T = TypeVar("T")
ENGINES: Mapping[str, FirewallEngine] = {"bookworm": "nftables", "el9": "firewalld"}
UNDECLARED = 9100
ASKED = (22, HTTPS, METRICS, PEER_PORT, UNDECLARED)
CHAINS: Mapping[FirewallEngine, tuple[str, str]] = {
    "nftables": (firewall.TABLE, "input"),
    "firewalld": ("inet firewalld", "filter_IN_policy_mattermost-host_allow"),
}
SKIPPED = {"ports-free": "what answers at the ports is not ours: only the firewall is deployed"}


@dataclass(frozen=True)
class Trio:
    """A host with the firewall, one that watches it, and one of its own kind."""

    engine: FirewallEngine
    deployment: Deployment
    watcher: LabHost
    fellow: LabHost
    peers: tuple[Peer, ...]

    @property
    def host(self) -> LabHost:
        return self.deployment.host

    def plan(self) -> tuple[int, str]:
        """Exit status, and each change."""
        file = self.deployment.inventory.with_name("plan.json")
        inventory = str(self.deployment.inventory)
        command = (
            "python",
            "-c",
            doors.PLAN,
            self.deployment.deploys,
            "plan",
            inventory,
            "--json",
            str(file),
        )
        status = self.deployment.run(*command, check=False).status
        steps = [one for steps in json.loads(file.read_text())["hosts"].values() for one in steps]
        found = [f"{one['subject']} {one['found']}" for step in steps for one in step["changes"]]
        return status, "; ".join(found)

    def opened(self) -> dict[str, object]:
        """What each of the others reaches."""
        four, six = self.host.address, self.host.address6
        return {
            "watcher 4": open_ports(self.watcher, four, ASKED),
            "watcher 6": open_ports(self.watcher, six, ASKED),
            "fellow 4": open_ports(self.fellow, four, ASKED),
            "fellow 6": open_ports(self.fellow, six, ASKED),
            "watcher's gossip": answered(self.watcher, four, [GOSSIP]),
            "fellow's gossip": answered(self.fellow, four, [GOSSIP]),
            "watcher's VRRP": heard(self.host, VRRP, self.watcher),
            "fellow's VRRP": heard(self.host, VRRP, self.fellow),
        }

    def judged(self) -> list[str]:
        """What the verification says of the rules."""
        site = Site.load(self.deployment.inventory)
        shown = doors.surfaces(site, replace(UNASKED, ssh_port=22))
        opened = list(firewall.openings(shown, self.peers))
        enabled = site.settings.firewall.enabled
        if self.engine == "firewalld" and not enabled:
            left = self._answer(asking.LEFTOVERS)
            return list(judge_firewalld.switched_off(left))
        if self.engine == "firewalld":
            wanted = map(firewall.kernel_rule, firewall.single_rules(opened))
            return list(judge_firewalld.policies(wanted, self._answer(asking.POLICIES)))
        rules = self._answer(asking.FIREWALL)
        return list(judge.firewall(enabled, map(firewall.accept_rule, opened), rules))

    def _answer(self, question: Question[T]) -> T:
        script = question.script()
        lines = self.host.run("LC_ALL=C sh", stdin=script, check=False).stdout.splitlines()
        return question.parse(lines)


DECLARED = {
    "watcher 4": {HTTPS, METRICS},
    "watcher 6": {22, HTTPS, METRICS},
    "fellow 4": {HTTPS, PEER_PORT},
    "fellow 6": {HTTPS},
    "watcher's gossip": set(),
    "fellow's gossip": {GOSSIP},
    "watcher's VRRP": False,
    "fellow's VRRP": True,
}


@pytest.fixture(scope="module")
def others(lab: Lab) -> tuple[LabHost, LabHost]:
    return lab.up("watcher"), lab.up("fellow")


@pytest.fixture(scope="module", params=ENGINES)
def trio(
    request: pytest.FixtureRequest,
    lab: Lab,
    others: tuple[LabHost, LabHost],
    release: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Trio]:
    watcher, fellow = others
    host = lab.up(f"of-{request.param}", suite=request.param)
    folder = tmp_path_factory.mktemp("doors")
    peers = (
        Peer("watcher", ("monitoring",), (watcher.address, watcher.address6)),
        Peer("fellow", ("app",), (fellow.address, fellow.address6), fellow.address),
    )
    gateway = str(ip_network(f"{host.address}/24", strict=False)[1])
    ssh_from = [gateway, watcher.address6, "192.0.2.0/24", "192.0.2.128/25", "fe80::/10"]
    deployment = Deployment(
        lab, host, folder, release, firewall={"ssh_from": ssh_from}, skip=SKIPPED
    )
    deployment.deploys = str(doors.written(folder, peers))
    deployment.deploy()
    listen(host, ASKED[1:], [GOSSIP])
    hear(host, VRRP)
    yield Trio(ENGINES[request.param], deployment, watcher, fellow, peers)
    lab.down(host)


def test_a_second_run_changes_nothing_and_the_verification_is_content(trio: Trio) -> None:
    assert trio.deployment.deploy().changed == ()
    assert trio.plan() == (0, "")
    assert trio.judged() == []


def test_who_was_declared_comes_in_and_nobody_else(trio: Trio) -> None:
    assert trio.opened() == DECLARED


REMOVED = {
    "ssh over IPv6": "ip6 saddr .*tcp dport.* 22 ",
    "a peer's port over IPv6": "ip6 saddr .*8067",
    "a port between servers": "8075",
    "VRRP": "l4proto 112",
}
ADDED = {
    "a port for one more": ("ip saddr {fellow} tcp dport 8067 accept", "fellow 4", {METRICS}),
    "the same over IPv6": ("ip6 saddr {fellow6} tcp dport 8067 accept", "fellow 6", {METRICS}),
    "ssh for one more": ("ip saddr {fellow} tcp dport 22 accept", "fellow 4", {22}),
    "VRRP for one more": ("ip saddr {watcher} meta l4proto 112 accept", "watcher's VRRP", True),
}


def _heals(trio: Trio, named: str) -> None:
    """A plan and the verification see it, a run undoes it."""
    status, found = trio.plan()
    assert (status, named in found) == (2, True), found
    assert trio.judged() != []
    assert trio.deployment.deploy().changed != ()
    assert trio.plan() == (0, "")
    assert trio.judged() == []
    assert trio.opened() == DECLARED


@pytest.mark.parametrize("words", REMOVED.values(), ids=list(REMOVED))
def test_a_rule_that_was_removed_by_hand(trio: Trio, words: str) -> None:
    table, chain = CHAINS[trio.engine]
    listed = f"nft -a -p list chain {table} {chain} | sed -n '/{words}/s/.*handle //p'"
    rules = trio.host.run(listed).stdout.split()
    assert rules, "nothing to remove"
    for rule in rules:
        trio.host.run(f"nft delete rule {table} {chain} handle {rule}")
    _heals(trio, "")


@pytest.mark.parametrize(("rule", "whose", "what"), ADDED.values(), ids=list(ADDED))
def test_a_rule_that_was_added_by_hand(trio: Trio, rule: str, whose: str, what: object) -> None:
    table, chain = CHAINS[trio.engine]
    watcher, fellow, fellow6 = trio.watcher.address, trio.fellow.address, trio.fellow.address6
    written = rule.format(watcher=watcher, fellow=fellow, fellow6=fellow6)
    trio.host.run(f"nft insert rule {table} {chain} {written}")
    before = DECLARED[whose]
    more = before | what if isinstance(before, set) and isinstance(what, set) else what
    assert trio.opened() == {**DECLARED, whose: more}
    _heals(trio, chain if trio.engine == "firewalld" else table)


def test_switched_off_nothing_of_ours_is_left(trio: Trio) -> None:
    """And whoever else has rules decides: here nobody, or the zone public with ssh."""
    trio.deployment.site["firewall"] = {"enabled": False}
    trio.deployment.write()
    status, found = trio.plan()
    assert status == 2, found
    trio.deployment.deploy()
    assert trio.deployment.deploy().changed == ()
    assert trio.plan() == (0, "")
    assert trio.judged() == []
    _, chain = CHAINS[trio.engine]
    assert chain not in trio.host.run("nft list ruleset").stdout
    left = {22} if trio.engine == "firewalld" else {*ASKED}
    assert open_ports(trio.fellow, trio.host.address, ASKED) == left
    assert open_ports(trio.fellow, trio.host.address6, ASKED) == left


def test_what_a_run_that_was_killed_left_of_the_rules_goes_too(trio: Trio) -> None:
    """The files are gone, and the kernel still has the rules."""
    _, chain = CHAINS[trio.engine]
    trio.deployment.site["firewall"] = {"enabled": True}
    trio.deployment.write()
    trio.deployment.deploy()
    trio.host.run(
        f"systemctl disable -q --now {firewall.UNIT}; rm -f {firewall.UNIT_FILE} {firewall.RULES} "
        f"{' '.join(firewall.FIREWALLD_FILES)}"
    )
    trio.deployment.site["firewall"] = {"enabled": False}
    trio.deployment.write()
    trio.deployment.deploy()
    assert chain not in trio.host.run("nft list ruleset").stdout
    assert trio.plan() == (0, "")
