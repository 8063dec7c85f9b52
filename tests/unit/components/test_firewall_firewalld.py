"""The component firewall where the distribution has firewalld: two policies of our own."""

import re
from pathlib import Path
from xml.etree import ElementTree as xml

import pytest

from mattermost_host.components import firewall
from mattermost_host.components.firewall import (
    FORWARD_POLICY,
    POLICY,
    PROGRAM,
    UNIT_FILE,
    Settings,
    kernel_rule,
    openings,
    single_rules,
)
from mattermost_host.facts.place import Peer
from mattermost_host.knowledge.families import ENTERPRISE_LINUX
from mattermost_host.knowledge.surface import Networks, Peers, Port, Protocol, Surface
from mattermost_host.ops import firewalld
from mattermost_host.ops.firewalld import AskLeftovers
from tests.unit.examples import converged, files_that_differ
from tests.unit.fake_host import Plan, answering, plan
from tests.unit.parsers import complaints_of_systemd

PEERS = (
    Peer("m1", ("monitoring",), ("10.0.0.9", "fd00::9")),
    Peer("p1", ("proxy",), ("10.0.0.5",)),
)
SURFACE = Surface(
    ports=(
        Port(443, "clients", "world"),
        Port(22, "administration", Networks(("192.0.2.0/24", "192.0.2.7/32", "fd00::7/128"))),
        Port(8065, "the server", "loopback"),
        Port(8067, "metrics", Peers(("monitoring",), by="all")),
        Port(8074, "gossip", Peers(("proxy",)), protocol="udp"),
    ),
    protocols=(Protocol(112, "virtual addresses", Peers(("proxy",))),),
)
OPENED = {
    ("ipv4", "192.0.2.0/24", "22/tcp"),
    ("ipv4", "192.0.2.7/32", "22/tcp"),
    ("ipv6", "fd00::7/128", "22/tcp"),
    ("ipv4", "10.0.0.9", "8067/tcp"),
    ("ipv6", "fd00::9", "8067/tcp"),
    ("ipv4", "10.0.0.5", "8074/udp"),
    ("ipv4", "10.0.0.5", "112"),
}
EVERYWHERE = {("ipv6", "fe80::/10", "546/udp"), ("ipv6", "fe80::/10", "ipv6-icmp")}


def _fresh(settings: Settings | None = None, surface: Surface = SURFACE) -> Plan:
    return plan(firewall.deploy, settings or Settings(), [surface], PEERS, ENTERPRISE_LINUX)


def _opened(rule: xml.Element) -> str:
    port, protocol = rule.find("port"), rule.find("protocol")
    if port is not None:
        return f"{port.get('port')}/{port.get('protocol')}"
    return "" if protocol is None else protocol.get("value", "")


def test_a_fresh_host() -> None:
    result = _fresh()
    assert result.changed == [
        "Firewall | firewall rules are written",
        "Firewall | firewall rules are loaded",
    ]
    assert set(result.written) == {POLICY, FORWARD_POLICY, PROGRAM, UNIT_FILE}
    assert result.shell.index("--check-config") < result.shell.index("place /etc")
    assert "nft -f" not in result.shell


def test_a_converged_host_yields_nothing() -> None:
    again = plan(
        firewall.deploy, Settings(), [SURFACE], PEERS, ENTERPRISE_LINUX, answer=converged(_fresh())
    )
    assert again.changed == []


def test_the_policy_opens_what_the_surfaces_show_and_drops_the_rest() -> None:
    policy = xml.fromstring(_fresh().text(POLICY))
    assert policy.attrib == {"target": "DROP", "priority": "-32768"}
    zones = {tag: [one.get("name") for one in policy.findall(tag)] for tag in ("ingress-zone",)}
    assert zones == {"ingress-zone": ["ANY"]}
    assert [one.get("name") for one in policy.findall("egress-zone")] == ["HOST"]
    world = {f"{one.get('port')}/{one.get('protocol')}" for one in policy.findall("port")}
    assert world == {"443/tcp"}
    from_somebody = {
        (rule.get("family"), source.get("address"), _opened(rule))
        for rule in policy.findall("rule")
        if (source := rule.find("source")) is not None
    }
    assert from_somebody == OPENED | EVERYWHERE
    assert all(rule.find("accept") is not None for rule in policy.findall("rule"))


def test_what_the_kernel_is_to_have_of_it() -> None:
    assert {kernel_rule(one) for one in single_rules(openings([SURFACE], PEERS))} == {
        "tcp dport 443 accept",
        "ip saddr 192.0.2.0/24 tcp dport 22 accept",
        # nft lists a network of one as an address.
        "ip saddr 192.0.2.7 tcp dport 22 accept",
        "ip6 saddr fd00::7 tcp dport 22 accept",
        "ip saddr 10.0.0.9 tcp dport 8067 accept",
        "ip6 saddr fd00::9 tcp dport 8067 accept",
        "ip saddr 10.0.0.5 udp dport 8074 accept",
        "ip saddr 10.0.0.5 meta l4proto 112 accept",
    }


def test_forwarding_is_one_file() -> None:
    forwarding = _fresh(Settings(forward=True))
    assert files_that_differ(_fresh(), forwarding) == {FORWARD_POLICY}
    assert FORWARD_POLICY not in forwarding.written
    forbidden = xml.fromstring(_fresh().text(FORWARD_POLICY))
    assert forbidden.get("target") == "DROP"


def test_switched_off_it_is_removed() -> None:
    def switched_off(left: tuple[str, ...]) -> Plan:
        answer = answering({AskLeftovers(firewall.UNIT): left}, converged(_fresh()))
        off = Settings(enabled=False)
        return plan(firewall.deploy, off, [SURFACE], PEERS, ENTERPRISE_LINUX, answer=answer)

    assert switched_off((firewall.UNIT,)).changed == [
        "Firewall | our firewalld policies are removed",
        "Firewall | firewall files are removed",
    ]
    gone = {entry.path for entry in switched_off((firewall.UNIT,)).entries}
    assert gone == {POLICY, FORWARD_POLICY, PROGRAM, UNIT_FILE}


@pytest.mark.parametrize("path", [POLICY, FORWARD_POLICY])
def test_firewalld_takes_names_of_18_characters(path: str) -> None:
    assert len(Path(path).stem) <= 18
    assert Path(POLICY).stem == firewalld.POLICY


def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / firewall.UNIT
    text = _fresh().text(UNIT_FILE).replace("/usr/bin/firewall-cmd", "/bin/true")
    # firewalld itself need not be on the machine that runs the tests.
    unit.write_text(re.sub(r"(?m)^(Wants|After)=firewalld.*\n", "", text))
    assert complaints_of_systemd(unit) == []


def test_services_start_only_where_the_rules_were_loaded() -> None:
    assert f"AssertPathExists={firewall.LISTING}" in firewall.before_start(Settings())
    unit = _fresh().text(UNIT_FILE)
    assert "After=firewalld.service" in unit
    for verb in ("ExecStart", "ExecReload"):
        first, second = re.findall(rf"(?m)^{verb}=(.*)$", unit)
        # Where firewalld has only just been started, its rules are not loaded yet.
        assert first == "/usr/bin/firewall-cmd -q --state"
        assert f"&& mv {firewall.LISTING}.new {firewall.LISTING}" in second
