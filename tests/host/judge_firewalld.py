"""Checks of our policies in firewalld; each yields a sentence for every failure."""

from collections.abc import Iterable

from mattermost_host.ops.firewalld import POLICY, Found
from tests.host.judge import SHOWN, Sentences, differs

EVERYWHERE = {
    "ip6 saddr fe80::/10 meta l4proto 58 accept",
    "ip6 saddr fe80::/10 udp dport 546 accept",
}
"""Rules that our policy has on every host, for the local network: ICMPv6 and DHCPv6."""


def switched_off(left: Iterable[str]) -> Sentences:
    """firewalld has no policy of ours."""
    if shown := ", ".join(left):
        yield differs(f"policy {POLICY} of firewalld", "none, it is switched off", shown)


def policies(wanted: Iterable[str], found: Found) -> Sentences:
    """The kernel's rules open the declared ports and are unchanged since firewalld loaded them."""
    what = f"policy {POLICY} of firewalld"
    for unit in found.stopped:
        yield differs(unit, "it active and enabled", "it not so")
    if not found.first:
        yield differs(what, "it first in the kernel", "something else")
        return
    declared = set(wanted)
    opened = {
        rule
        for rule in found.opened
        if ("dport" in rule or "l4proto" in rule) and rule not in EVERYWHERE
    }
    for rule in sorted(declared - opened):
        yield differs(what, f"the rule '{rule}'", "it missing")
    for rule in sorted(opened - declared):
        yield differs(what, "only the ports of the site open", f"also '{rule}'")
    for subject, text in found.differences[:SHOWN]:
        yield differs(f"firewalld's {subject}", "it as it was loaded", f"that it {text}")
