"""The component firewall: one table of our own, and nft itself accepts what we render."""

from dataclasses import replace
from pathlib import Path

import pytest

from mattermost_host.components import firewall
from mattermost_host.components.firewall import RULES, UNIT_FILE, Settings, accept_rule, openings
from mattermost_host.facts.place import Peer
from mattermost_host.knowledge.families import DEBIAN
from mattermost_host.knowledge.surface import Peers, Port, Protocol, Surface
from mattermost_host.ops.ruleset import TableExists
from tests.unit.examples import DEBIAN_12, converged, files_that_differ, mistakes_of, place
from tests.unit.fake_host import Plan, answering, plan
from tests.unit.parsers import check_nftables, complaints_of_systemd, needs

SSH = Port(22, "administration", "world")
HTTPS = Port(443, "clients", "world")
SERVER = Port(8065, "the server", "loopback")
METRICS = Port(8067, "metrics", Peers(("monitoring",), by="all"))
CLUSTER = Port(8074, "gossip", Peers(("app",)), protocol="udp")
VRRP = Protocol(112, "virtual addresses", Peers(("proxy",)))
PEERS = (
    Peer("a2", ("app",), ("192.0.2.2", "10.0.0.2"), private_address="10.0.0.2"),
    Peer("a1", ("app",), ("192.0.2.1", "10.0.0.1"), private_address="10.0.0.1"),
    Peer("m1", ("monitoring",), ("10.0.0.9", "fd00::9")),
    Peer("p1", ("proxy",), ("10.0.0.5", "fd00::5")),
)
WEB = [Surface(ports=(SSH, HTTPS))]


def _fresh(settings: Settings | None = None, ports: tuple[Port, ...] = (SSH, HTTPS)) -> Plan:
    return plan(firewall.deploy, settings or Settings(), [Surface(ports=ports)], PEERS, DEBIAN)


def _rules(surfaces: list[Surface], peers: tuple[Peer, ...] = PEERS) -> list[str]:
    return [accept_rule(one) for one in openings(surfaces, peers)]


def test_a_fresh_host() -> None:
    result = _fresh()
    assert result.changed == [
        "Firewall | firewall rules are written",
        "Firewall | firewall rules are loaded",
    ]
    assert set(result.written) == {RULES, UNIT_FILE}
    tested, placed = result.shell.index("nft -c -f"), result.shell.index("place /etc")
    assert tested < placed


def test_a_converged_host_yields_nothing() -> None:
    answer = converged(_fresh())
    assert plan(firewall.deploy, Settings(), WEB, PEERS, DEBIAN, answer=answer).changed == []


@pytest.mark.parametrize(
    ("ports", "rules"),
    [
        ((SSH, HTTPS, SSH), ["tcp dport { 22, 443 } accept"]),
        ((SERVER,), []),
        (
            (METRICS,),
            [
                "ip saddr { 10.0.0.9 } tcp dport { 8067 } accept",
                "ip6 saddr { fd00::9 } tcp dport { 8067 } accept",
            ],
        ),
        ((CLUSTER,), ["ip saddr { 10.0.0.1, 10.0.0.2 } udp dport { 8074 } accept"]),
    ],
)
def test_ports_become_rules(ports: tuple[Port, ...], rules: list[str]) -> None:
    assert _rules([Surface(ports=ports)]) == rules


def test_other_protocols_become_rules() -> None:
    assert _rules([Surface(protocols=(VRRP,))]) == [
        "ip saddr { 10.0.0.5 } meta l4proto 112 accept",
        "ip6 saddr { fd00::5 } meta l4proto 112 accept",
    ]


def test_ssh_is_open_to_the_stated_networks_only() -> None:
    settings = Settings.model_validate({"ssh_from": ["192.0.2.0/24", "2001:db8::/32"]})
    shown = firewall.surface(settings, place())
    assert _rules([shown], ()) == [
        "ip saddr { 192.0.2.0/24 } tcp dport { 22 } accept",
        "ip6 saddr { 2001:db8::/32 } tcp dport { 22 } accept",
    ]


def test_a_role_without_a_host_opens_nothing() -> None:
    assert _rules([Surface(ports=(METRICS,))], PEERS[:2]) == []


def test_forwarding_is_one_file() -> None:
    forwarding = _fresh(Settings(forward=True))
    assert files_that_differ(_fresh(), forwarding) == {RULES}
    assert "hook forward priority filter; policy drop;" in _fresh().text(RULES)
    assert "hook forward priority filter; policy accept;" in forwarding.text(RULES)


def test_switched_off_it_is_removed() -> None:
    off = Settings(enabled=False)
    result = _fresh(off)
    assert [entry.path for entry in result.entries] == [UNIT_FILE, RULES]
    assert result.changed == []
    assert firewall.surface(off, place()).units == ()
    there = answering({TableExists(firewall.UNIT, firewall.TABLE): True}, converged(_fresh()))
    removed = plan(firewall.deploy, off, WEB, PEERS, DEBIAN, answer=there)
    assert removed.changed == [
        "Firewall | firewall rules are unloaded",
        "Firewall | firewall files are removed",
    ]


@pytest.mark.parametrize(("stated", "open_ports"), [(None, [2222]), (22022, [22022, 2222])])
def test_the_way_in_stays_open(stated: int | None, open_ports: list[int]) -> None:
    facts = replace(DEBIAN_12, ssh_port=2222)
    ports = firewall.surface(Settings(ssh_port=stated), place(facts)).ports
    assert [port.number for port in ports] == open_ports
    assert {port.reachable_from for port in ports} == {"world"}


@pytest.mark.parametrize("forward", [True, False])
@pytest.mark.parametrize(
    "ports", [(), (SSH,), (SSH, HTTPS, SERVER), (SSH, HTTPS, METRICS, CLUSTER)]
)
def test_nft_accepts_the_rules(tmp_path: Path, ports: tuple[Port, ...], forward: bool) -> None:
    text = _fresh(Settings(forward=forward), ports).text(RULES)
    done = check_nftables(text, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


def test_nft_would_say_if_it_did_not(tmp_path: Path) -> None:
    assert check_nftables(_fresh().text(RULES).replace("dport", "dprt"), tmp_path).returncode == 1


def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / firewall.UNIT
    unit.write_text(_fresh().text(UNIT_FILE).replace("/usr/sbin/nft", needs("nft")))
    assert complaints_of_systemd(unit) == []


def test_wrong_settings() -> None:
    assert mistakes_of(firewall={"ssh_port": 0, "forward": "maybe"}) == [
        "firewall.ssh_port: found 0; input should be greater than or equal to 1",
        "firewall.forward: found 'maybe'; input should be a valid boolean",
    ]
