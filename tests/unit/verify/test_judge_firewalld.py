"""What the verification says of our policies in firewalld."""

from dataclasses import replace

import pytest

from mattermost_host.ops.firewalld import SERVICE, Found
from tests.host import judge_firewalld

RULE = "tcp dport 443 accept"
LOADED = Found(
    first=True,
    opened=(
        RULE,
        "ip6 saddr fe80::/10 udp dport 546 accept",
        "ip6 saddr fe80::/10 meta l4proto 58 accept",
        "icmp type echo-request limit rate 20/second accept",
    ),
)


@pytest.mark.parametrize(
    ("found", "part"),
    [
        (replace(LOADED, first=False), "expected it first in the kernel"),
        (replace(LOADED, opened=()), f"expected the rule '{RULE}', found it missing"),
        (
            replace(LOADED, opened=(RULE, "ip saddr 192.0.2.1 meta l4proto 47 accept")),
            "found also 'ip saddr 192.0.2.1 meta l4proto 47 accept'",
        ),
        (replace(LOADED, stopped=(SERVICE,)), f"{SERVICE}: expected it active"),
        (replace(LOADED, differences=(("filter_INPUT", "has 'x'"),)), "that it has 'x'"),
    ],
)
def test_policies_that_differ_are_named(found: Found, part: str) -> None:
    [sentence] = judge_firewalld.policies((rule for rule in [RULE]), found)
    assert part in sentence


def test_policies_as_described_hold() -> None:
    assert not [*judge_firewalld.policies([RULE], LOADED)]


def test_a_port_for_neighbours_on_the_same_wire_is_judged_as_any_other() -> None:
    ours = "ip6 saddr fe80::/10 tcp dport 22 accept"
    found = replace(LOADED, opened=(*LOADED.opened, ours))
    assert not [*judge_firewalld.policies([RULE, ours], found)]
    [sentence] = judge_firewalld.policies([RULE], found)
    assert ours in sentence


def test_switched_off_nothing_is_left() -> None:
    assert not [*judge_firewalld.switched_off(())]
    [sentence] = judge_firewalld.switched_off(("filter_IN_policy_mattermost-host",))
    assert "expected none, it is switched off, found filter_IN_policy_mattermost" in sentence
