"""firewalld, on distributions that use it: whether it runs, and its zones' open ports."""

import re
from collections.abc import Iterator

from mattermost_host.facts.host import HostFacts
from mattermost_host.preflight.finding import Finding, Requirement
from mattermost_host.preflight.host import unreadable

NEEDED = "firewalld running, with its rules in nftables"
TABLE = "table inet firewalld {"
OPEN_CHAIN = re.compile(r"chain filter_IN_(?!policy_)(\S+)_allow \{")
OPEN_PORT = re.compile(r"(tcp|udp) dport (\d+(?:-\d+)?) accept")
EVERYWHERE = ("22/tcp", "546/udp")
"""Services that the packages' zones open, ssh and the DHCPv6 client; our policies do, too."""


def firewalld_decides() -> Requirement:
    """firewalld runs if it is the distribution's firewall."""

    def check(facts: HostFacts) -> Iterator[Finding]:
        if facts.family.firewall != "firewalld":
            return
        if {"units", "packages", "nftables"} & facts.unread:
            yield unreadable("firewalld", "whether firewalld runs", NEEDED)
        elif "firewalld" not in dict(facts.packages):
            yield Finding("firewalld", "ok", "not installed yet", NEEDED)
        elif "firewalld" not in facts.active_units:
            yield _stopped(facts)
        elif facts.nftables and TABLE not in facts.nftables:
            yield Finding(
                "firewalld",
                "error",
                "it runs, and has no table in nftables",
                NEEDED,
                "Write FirewallBackend=nftables in /etc/firewalld/firewalld.conf, and type: "
                "systemctl restart firewalld",
            )
        else:
            yield Finding("firewalld", "ok", "running", NEEDED)

    return Requirement(
        "firewalld", check, "Where firewalld is the distribution's firewall, it runs."
    )


def _stopped(facts: HostFacts) -> Finding:
    found = "it is installed, and stopped or masked"
    if facts.managed:
        remedy = "A run starts it again. Find out who stopped it."
        return Finding("firewalld", "warning", found, NEEDED, remedy)
    return Finding(
        "firewalld",
        "error",
        found,
        NEEDED,
        "Type: systemctl unmask firewalld; systemctl enable --now firewalld (and disable what "
        "took its place, such as nftables or iptables; where there is no unit of that name, dnf "
        "reinstall firewalld). Or write firewall = {'enabled': False}, and open the site's ports "
        "yourself.",
    )


def zone_openings(listing: tuple[str, ...]) -> dict[str, list[str]]:
    """Zone -> ports that it opens to everybody, besides those that all zones open."""
    found: dict[str, list[str]] = {}
    zone = ""
    for line in listing:
        if line.startswith("chain "):
            chain = OPEN_CHAIN.fullmatch(line)
            zone = chain[1] if chain else ""
        elif zone and (opened := OPEN_PORT.fullmatch(line)):
            port = f"{opened[2]}/{opened[1]}"
            if port not in EVERYWHERE:
                found.setdefault(zone, []).append(port)
    return found


def other_ways_in() -> Requirement:
    """A note on open ports and bans in zones, because our policies come before both."""

    def check(facts: HostFacts) -> Iterator[Finding]:
        if facts.family.firewall != "firewalld":
            return
        opened = zone_openings(facts.nftables)
        if opened:
            yield Finding(
                "firewall-zones",
                "note",
                "; ".join(
                    f"zone {zone} opens {', '.join(ports)}" for zone, ports in opened.items()
                ),
                "nothing: the site's policy comes before all zones, and keeps these ports closed",
            )
        if "fail2ban" in facts.active_units:
            yield Finding(
                "firewall-zones",
                "warning",
                "fail2ban runs, which by its default bans within a zone of firewalld",
                "bans that come before the site's policy, which accepts at the site's ports",
                "Have it ban by a table of its own: banaction = nftables[type=multiport] and "
                "banaction_allports = nftables[type=allports] in /etc/fail2ban/jail.local. Skip "
                "this check where it does already.",
            )
        elif not opened:
            yield Finding("firewall-zones", "ok", "none that would be expected to")

    return Requirement(
        "firewall-zones",
        check,
        "Nobody relies on zones of firewalld, which come after the site's policy.",
    )
