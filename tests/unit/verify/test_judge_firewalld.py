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
    ("enabled", "found", "part"),
    [
        (True, replace(LOADED, first=False), "expected it first in the kernel"),
        (True, replace(LOADED, opened=()), f"expected the rule '{RULE}', found it missing"),
        (
            True,
            replace(LOADED, opened=(RULE, "ip saddr 192.0.2.1 meta l4proto 47 accept")),
            "found also 'ip saddr 192.0.2.1 meta l4proto 47 accept'",
        ),
        (True, replace(LOADED, stopped=(SERVICE,)), f"{SERVICE}: expected it active"),
        (True, replace(LOADED, differences=(("filter_INPUT", "has 'x'"),)), "that it has 'x'"),
        (False, LOADED, "expected none, it is switched off"),
    ],
)
def test_policies_that_differ_are_named(enabled: bool, found: Found, part: str) -> None:
    [sentence] = judge_firewalld.policies(enabled, (rule for rule in [RULE]), found)
    assert part in sentence


def test_policies_as_described_hold() -> None:
    assert not [*judge_firewalld.policies(True, [RULE], LOADED)]
    assert not [*judge_firewalld.policies(False, [RULE], Found(stopped=(SERVICE,)))]
