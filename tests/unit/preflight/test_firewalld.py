"""firewalld before a deploy: whether it decides, and who relies on its zones."""

from dataclasses import replace

import pytest

from mattermost_host.facts.host import HostFacts
from mattermost_host.preflight.conflicts import no_other_firewall
from mattermost_host.preflight.finding import Finding
from mattermost_host.preflight.firewalld import firewalld_decides, other_ways_in
from tests.unit.examples import DEBIAN_12

ROCKY = replace(DEBIAN_12, distribution="rocky", release="9.4")
THERE = replace(
    ROCKY,
    packages=(("firewalld", "1.3.4"),),
    active_units=("firewalld",),
    nftables=("table inet firewalld {",),
)
STOPPED = replace(THERE, active_units=(), nftables=())


@pytest.mark.parametrize(
    ("facts", "verdict", "part"),
    [
        (THERE, "ok", "running"),
        (ROCKY, "ok", "not installed yet"),
        (STOPPED, "error", "stopped or masked"),
        (replace(STOPPED, active_units=("nftables",)), "error", "stopped or masked"),
        (replace(STOPPED, managed=True), "warning", "stopped or masked"),
        (replace(THERE, nftables=("table ip filter {",)), "error", "no table in nftables"),
        (replace(THERE, unread=frozenset({"units"})), "warning", "could not be read"),
    ],
)
def test_firewalld_runs_or_it_is_said(facts: HostFacts, verdict: str, part: str) -> None:
    (finding,) = firewalld_decides().check(facts)
    assert (finding.name, finding.verdict) == ("firewalld", verdict)
    assert part in finding.found
    assert bool(finding.remedy) == (verdict != "ok")


def test_where_nftables_is_the_firewall_nothing_is_said_of_firewalld() -> None:
    facts = replace(STOPPED, distribution="debian", release="12")
    assert [*firewalld_decides().check(facts), *other_ways_in().check(facts)] == []


@pytest.mark.parametrize(
    ("facts", "found"),
    [
        (THERE, "none"),
        (replace(THERE, active_units=("firewalld", "nftables")), "active: nftables"),
        (replace(THERE, active_units=("firewalld", "iptables")), "active: iptables"),
        (replace(DEBIAN_12, active_units=("firewalld",)), "active: firewalld"),
        (replace(DEBIAN_12, active_units=("nftables",)), "active: nftables"),
    ],
)
def test_the_other_firewall_is_the_one_that_the_distribution_does_not_use(
    facts: HostFacts, found: str
) -> None:
    (finding,) = no_other_firewall().check(facts)
    assert (finding.found, finding.verdict) == (found, "ok" if found == "none" else "error")


def _ways_in(*units: str, rules: tuple[str, ...] = ()) -> list[Finding]:
    chains = (
        "chain filter_IN_public_allow {",
        "tcp dport 22 accept",
        *rules,
        "}",
        "chain filter_IN_policy_mattermost-host_allow {",
        "tcp dport 443 accept",
        "}",
    )
    facts = replace(THERE, active_units=("firewalld", *units), nftables=chains)
    return list(other_ways_in().check(facts))


def test_what_a_zone_opens_in_vain_is_noted() -> None:
    (finding,) = _ways_in(rules=("tcp dport 9090 accept", "udp dport 5000-5010 accept"))
    assert finding.verdict == "note"
    assert finding.found == "zone public opens 9090/tcp, 5000-5010/udp"


def test_zones_as_they_come_are_not_worth_a_word() -> None:
    (finding,) = _ways_in()
    assert finding.verdict == "ok"


def test_bans_within_a_zone_are_warned_of() -> None:
    (finding,) = _ways_in("fail2ban")
    assert finding.verdict == "warning"
    assert "banaction = nftables" in finding.remedy
