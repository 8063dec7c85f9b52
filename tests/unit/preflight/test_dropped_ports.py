"""Other people's tables that drop our ports, told from those that drop something else."""

from dataclasses import replace

import pytest

from mattermost_host.knowledge.surface import Port
from mattermost_host.preflight.dropped_ports import ports_not_dropped
from tests.unit.examples import DEBIAN_12

PORTS = [Port(443, "HTTPS", "world"), Port(8065, "the server", "loopback")]


def _listing(policy: str, *rules: str, table: str = "inet other", hook: str = "input") -> str:
    lines = [f"type filter hook {hook} priority filter; policy {policy};", *rules]
    return f"table {table} {{\n chain c {{\n" + "\n".join(lines) + "\n }\n}\n"


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
        _listing("drop", "tcp dport { 80, 443 } accept"),
        _listing("drop", "jump elsewhere"),
        _listing("accept", "ip saddr @banned tcp dport 443 reject"),
        _listing("accept", "tcp dport 8065 drop"),
        _listing("accept", "ct state invalid drop"),
        _listing("drop", hook="forward"),
    ],
)
def test_what_does_not_is_not(listing: str) -> None:
    assert _verdict(listing)[0] == "ok"
