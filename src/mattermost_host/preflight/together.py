"""What the hosts of a site must have in common: checks across hosts."""

from collections.abc import Callable, Iterator, Mapping
from ipaddress import ip_address
from urllib.parse import urlsplit

from mattermost_host.facts.host import HostFacts
from mattermost_host.preflight.finding import Finding, SiteRequirement
from mattermost_host.preflight.host import OFFSET_WARNING_S, unreadable

Findings = Iterator[tuple[str, Finding]]


def name_resolution(url: str) -> SiteRequirement:
    """The name in the site's URL resolves to the hosts that users should reach."""
    name = urlsplit(url).hostname or ""

    def check(hosts: Mapping[str, HostFacts]) -> Findings:
        ours = {address for facts in hosts.values() for address in facts.addresses}
        needed = f"{name} resolves to {'this host' if len(hosts) == 1 else 'hosts of this role'}"
        for host, facts in hosts.items():
            yield host, _resolved(name, needed, facts, ours)

    return SiteRequirement(
        "name-resolution", check, "The site's name resolves to this host, or to others of its role."
    )


def _resolved(name: str, needed: str, facts: HostFacts, ours: set[str]) -> Finding:
    elsewhere = [one for one in facts.resolved if one not in ours]
    found = f"{name} is {', '.join(facts.resolved) or 'not known to DNS or /etc/hosts'}"
    if {"resolved", "addresses"} & facts.unread:
        return unreadable("name-resolution", f"where {name} leads", needed)
    if not facts.resolved:
        remedy = f"Create the DNS record: {name} and the address that users reach it by."
        return Finding("name-resolution", "error", found, needed, remedy)
    if elsewhere:
        return Finding("name-resolution", "warning", found, needed, _way_elsewhere(elsewhere))
    return Finding("name-resolution", "ok", found, needed)


def _way_elsewhere(addresses: list[str]) -> str:
    if all(ip_address(one).is_loopback for one in addresses):
        return "Only this host's /etc/hosts knows the name: make sure that users' DNS does, too."
    return (
        "Correct behind a load balancer or a NAT router; otherwise correct the DNS record that "
        f"says {', '.join(addresses)}."
    )


def clocks_agree() -> SiteRequirement:
    """The hosts' clocks agree with each other, whatever this machine's clock shows."""

    def check(hosts: Mapping[str, HostFacts]) -> Findings:
        if len(hosts) == 1:
            return
        first = min(hosts, key=lambda name: hosts[name].clock_offset_s)
        for host, facts in hosts.items():
            apart = facts.clock_offset_s - hosts[first].clock_offset_s
            wrong = apart >= OFFSET_WARNING_S
            yield (
                host,
                Finding(
                    "clocks-agree",
                    "error" if wrong else "ok",
                    f"{apart:,.0f} s ahead of {first}" if wrong else "as the others' clocks",
                    f"less than {OFFSET_WARNING_S:.0f} s between the site's hosts",
                    "Let all hosts take their time from the same servers." if wrong else "",
                ),
            )

    return SiteRequirement("clocks-agree", check, "The clocks of the site's hosts agree.")


def one_release(version_on: Callable[[HostFacts], str]) -> SiteRequirement:
    """All application servers run the same release, because they share one database."""

    def check(hosts: Mapping[str, HostFacts]) -> Findings:
        if len(hosts) == 1:
            return
        versions = {host: version_on(facts) for host, facts in hosts.items()}
        differ = len(set(versions.values())) > 1
        remedy = "State the release (`mattermost.release.version`), and all hosts get it."
        for host, version in versions.items():
            others = ", ".join(f"{version} on {name}" for name, version in versions.items())
            yield (
                host,
                Finding(
                    "one-release",
                    "error" if differ else "ok",
                    others if differ else version,
                    "one release on all application servers",
                    remedy if differ else "",
                ),
            )

    return SiteRequirement("one-release", check, "All application servers run the same release.")
