"""Other people's tables that drop our ports, told from those that drop something else."""

from dataclasses import replace

import pytest

from mattermost_host.knowledge.surface import Port
from mattermost_host.preflight.dropped_ports import no_legacy_rules, ports_not_dropped
from tests.unit.examples import DEBIAN_12, ROCKY_9

PORTS = [Port(443, "HTTPS", "world"), Port(8065, "the server", "loopback")]


def _listing(policy: str, *rules: str, table: str = "inet other", hook: str = "input") -> str:
    lines = [f"type filter hook {hook} priority filter; policy {policy};", *rules]
    return f"table {table} {{\n chain c {{\n" + "\n".join(lines) + "\n }\n}\n"


def _chain(name: str) -> str:
    return f"table inet other {{\n chain {name} {{\ntcp dport 443 drop\n }}\n}}\n"


def _verdict(listing: str) -> tuple[str, str]:
    facts = replace(DEBIAN_12, nftables=tuple(map(str.strip, listing.splitlines())))
    (finding,) = ports_not_dropped(PORTS).check(facts)
    return finding.verdict, finding.found


@pytest.mark.parametrize(
    "listing",
    [
        _listing("drop"),
        _listing("accept", "tcp dport 443 drop"),
        _listing("accept", "tcp dport { 80, 443 } counter packets 0 bytes 0 reject"),
        _listing("accept", "tcp dport 400-500 drop"),
        _listing("accept", 'counter packets 1 bytes 2 log prefix "x " drop'),
        _listing("drop", "ip saddr 192.0.2.1 accept", "tcp dport 22 accept"),
        _listing("accept", "tcp dport 443 drop", table="ip raw", hook="prerouting"),
        _listing("accept", "tcp dport 443 drop", table="netdev x", hook="ingress"),
        _listing("accept", 'iifname != "lo" tcp dport 443 drop'),
        _listing("accept", 'iif "lo" accept', "ct state new tcp dport 443 counter drop"),
        _listing("accept", "ct state { established, related } accept", "tcp dport != 22 drop"),
        _listing("accept", "tcp dport vmap { 22 : accept, 400-500 : drop }"),
        _listing("accept", "ct state vmap { established : accept, new : jump u }") + _chain("u"),
        _listing("accept", "jump u") + _chain("u"),
        _listing("accept", "goto u", "accept") + _chain("u"),
        _listing("accept", "meta l4proto { tcp, udp } th dport 443 drop"),
        _listing("accept", "ip protocol tcp tcp dport 443 drop", table="ip filter"),
        _listing("accept", "tcp sport 443 drop", hook="output"),
        _listing("drop", "ct state new accept", hook="output"),
    ],
)
def test_what_drops_our_ports_is_named(listing: str) -> None:
    verdict, found = _verdict(listing)
    assert verdict == "warning"
    assert "chain c of table" in found
    assert "drops 443/tcp" in found


@pytest.mark.parametrize(
    "listing",
    [
        "",
        _listing("accept"),
        _listing("drop", table="inet mattermost_host"),
        _listing("drop", 'iif "lo" accept', "tcp dport { 80, 443 } accept"),
        _listing("drop", "tcp dport vmap { 80 : accept, 443 : accept, 8065 : accept }"),
        _listing("accept", "jump elsewhere"),
        _listing("accept", "jump u", "tcp dport 80 drop") + _chain("u").replace("443", "444"),
        _listing("accept", "tcp dport 443 jump u").replace("443 jump", "444 jump") + _chain("u"),
        _listing("accept", "jump u") + _chain("u").replace("tcp", "return\ntcp", 1),
        _listing("accept", "jump c"),
        _listing("accept", "tcp dport != { 443, 8065 } drop"),
        _listing("accept", "ct state established tcp dport 443 drop"),
        _listing("accept", 'iifname "eth0" tcp dport 443 drop'),
        _listing("accept", 'oifname "lo" tcp dport 443 drop'),
        _listing("accept", "tcp sport 443 drop"),
        _listing("accept", "tcp dport https drop"),
        _listing("accept", "tcp dport @ports drop"),
        _listing("accept", "limit rate over 10/second tcp dport 443 drop"),
        _listing("drop", "ct state established,related accept", hook="output"),
        _listing("accept", "tcp dport 443 drop", hook="output"),
        _listing("accept", "ip saddr @banned tcp dport 443 reject"),
        _listing("accept", 'iif != "lo" tcp dport 8065 drop'),
        _listing("accept", "ct state invalid drop"),
        _listing("drop", hook="forward"),
    ],
)
def test_what_does_not_is_not(listing: str) -> None:
    assert _verdict(listing)[0] == "ok"


@pytest.mark.parametrize(
    ("listing", "said"),
    [
        (_listing("accept", 'iif "lo" tcp dport 443 drop'), "drops 443/tcp on loopback"),
        (_listing("accept", "tcp dport 8065 drop"), "drops 8065/tcp on loopback"),
        (
            _listing("accept", "tcp dport 443 redirect to :8443", hook="prerouting"),
            "redirects 443/tcp",
        ),
        (
            _listing("accept", "tcp dport 443 dnat to 192.0.2.1:443", hook="prerouting"),
            "redirects 443/tcp",
        ),
    ],
)
def test_what_else_becomes_of_them_is_said(listing: str, said: str) -> None:
    assert _verdict(listing) == ("warning", f"chain c of table inet other {said}")


def test_each_port_is_named_with_what_becomes_of_it() -> None:
    listing = _listing("accept", "tcp dport 443 drop", "tcp dport 8065 reject")
    found = _verdict(listing)[1]
    assert "c of table inet other drops 443/tcp;" in found
    assert found.endswith("drops 8065/tcp on loopback")


@pytest.mark.parametrize(("managed", "verdict"), [(False, "ok"), (True, "warning")])
def test_firewalld_is_judged_by_what_it_does_with_our_policies(managed: bool, verdict: str) -> None:
    """Before the first run there are none in it yet; its zones drop what they do not open."""
    listing = _listing("drop", table="inet firewalld").splitlines()
    facts = replace(ROCKY_9, nftables=tuple(map(str.strip, listing)), managed=managed)
    (finding,) = ports_not_dropped(PORTS).check(facts)
    assert finding.verdict == verdict
    # Nobody should delete the table of an engine that the site uses.
    assert ("firewall-cmd" in finding.remedy) is managed
    assert "nft delete" not in finding.remedy


LEGACY = """
# Translated by iptables-restore-translate v1.8.9
add table ip nat
add chain ip nat PREROUTING { type nat hook prerouting priority -100; policy accept; }
add rule ip nat PREROUTING tcp dport 443 counter redirect to :1
add table ip filter
add chain ip filter INPUT { type filter hook input priority 0; policy accept; }
add chain ip filter other
add rule ip filter INPUT ip protocol tcp tcp dport { 443, 8443 } counter drop
add rule ip filter INPUT iifname "lo" tcp dport 8065 ct state new counter jump other
add rule ip filter INPUT ip saddr 10.9.9.9 tcp dport 443 counter drop
add rule ip filter other counter reject comment "a b -j"
add chain ip6 filter INPUT { type filter hook input priority 0; policy drop; }
""".strip().splitlines()


def test_rules_of_the_older_iptables_count_as_those_of_nftables() -> None:
    facts = replace(DEBIAN_12, legacy_rules=tuple(LEGACY))
    (finding,) = ports_not_dropped(PORTS).check(facts)
    assert finding.verdict == "warning"
    assert set(finding.found.split("; ")) == {
        "chain PREROUTING of table ip nat of iptables-legacy redirects 443/tcp",
        "chain INPUT of table ip filter of iptables-legacy drops 443/tcp",
        "chain INPUT of table ip filter of iptables-legacy drops 8065/tcp on loopback",
        "chain INPUT of table ip6 filter of iptables-legacy drops 443/tcp",
        "chain INPUT of table ip6 filter of iptables-legacy drops 8065/tcp on loopback",
    }
    (told,) = no_legacy_rules().check(facts)
    assert told.verdict == "note"
    assert "6 rules of iptables-legacy: INPUT policy drop; PREROUTING tcp dport 443" in told.found
    assert told.found.endswith("; ...")


def test_without_such_rules_nothing_is_told() -> None:
    empty = tuple(line for line in LEGACY if "rule" not in line and "drop" not in line)
    (finding,) = no_legacy_rules().check(replace(DEBIAN_12, legacy_rules=empty))
    assert finding.verdict == "ok"
    unread = replace(DEBIAN_12, unread=frozenset({"legacy_rules"}))
    (finding,) = no_legacy_rules().check(unread)
    assert finding.verdict == "warning"
