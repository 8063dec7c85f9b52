"""The firewall: opens the surfaces' ports to those who may reach them, and nothing else.

A table of our own in nftables, or two policies of our own in firewalld. In nftables any base chain
may drop a packet. In firewalld the first match decides, so our policies come before all zones: open
ports do not depend on an interface's zone.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, Field
from pyinfra.api import deploy as component

from mattermost_host.facts.place import Peer, Place, reachable_addresses
from mattermost_host.knowledge.families import Family
from mattermost_host.knowledge.surface import Networks, Peers, Port, Reach, Surface, Unit
from mattermost_host.knowledge.texts import STRICT, Network
from mattermost_host.ops import files, firewalld, ruleset
from mattermost_host.ops.entries import Absent, File
from mattermost_host.ops.files import Check
from mattermost_host.preflight import conflicts
from mattermost_host.preflight.dropped_ports import no_legacy_rules
from mattermost_host.preflight.finding import Requirement
from mattermost_host.preflight.firewalld import firewalld_decides, other_ways_in
from mattermost_host.support.templates import render

RULES = "/etc/mattermost-host/firewall.nft"
UNIT = "mattermost-firewall.service"
UNIT_FILE = f"/etc/systemd/system/{UNIT}"
TABLE = "inet mattermost_host"
LISTING = "/run/mattermost-host/firewall.listing"
LOADED = "/run/mattermost-host/firewall.loaded"
POLICY = f"/etc/firewalld/policies/{firewalld.POLICY}.xml"
FORWARD_POLICY = "/etc/firewalld/policies/mattermost-forward.xml"
PROGRAM = "/usr/local/lib/mattermost-host/firewall-rules"
"""Script that prints firewalld's rules in the kernel and in its files."""
FIREWALLD_FILES = (POLICY, FORWARD_POLICY, PROGRAM)


class Settings(BaseModel):
    """The firewall of each host."""

    model_config = STRICT

    enabled: bool = Field(
        default=True,
        description=(
            "Keep a table of our own in nftables, or policies of our own in firewalld where the "
            "distribution has that. Switched off, they are removed."
        ),
    )
    ssh_port: int | None = Field(
        default=None,
        ge=1,
        le=65535,
        description="Port of sshd, 1-65535. Without it, the port by which the run came in.",
    )
    ssh_from: list[Network] = Field(
        default=[],
        description=(
            "Addresses and networks from which ssh is allowed. Without any, from everywhere. "
            "Include the one you deploy from."
        ),
    )
    forward: bool = Field(
        default=False,
        description="Let the host forward packets between networks (containers, VPN).",
    )


def surface(settings: Settings, place: Place) -> Surface:
    """The unit that loads the rules, and ssh, which must never be locked out."""
    facts = place.facts
    # Until a run has connected to the stated port, the port that it used stays open, too.
    numbers = dict.fromkeys((settings.ssh_port or facts.ssh_port, facts.ssh_port))
    allowed: Reach = "world"
    if settings.ssh_from:
        allowed = Networks(tuple(settings.ssh_from))
    ssh = tuple(Port(number, "administration", allowed, process="sshd") for number in numbers)
    return Surface(units=(Unit(UNIT),) if settings.enabled else (), ports=ssh)


@component("Firewall")
def deploy(
    settings: Settings,
    surfaces: Iterable[Surface],
    peers: Sequence[Peer],
    family: Family,
) -> None:
    """Open the ports of ``surfaces`` to those they name; ``peers`` are the hosts of the site."""
    engine = {"nftables": _in_nftables, "firewalld": _in_firewalld}[family.firewall]
    engine(settings, list(openings(surfaces, peers)))


def _in_nftables(settings: Settings, opened: Sequence["Opening"]) -> None:
    if not settings.enabled:
        ruleset.unloaded(name="firewall rules are unloaded", unit=UNIT, table=TABLE)
        files.present(name="firewall files are removed", entries=[Absent(UNIT_FILE), Absent(RULES)])
        return
    rules = [accept_rule(one) for one in opened]
    written = files.present(
        name="firewall rules are written",
        entries=[
            File(
                RULES,
                render("firewall/firewall.nft.j2", rules=rules, forwards=settings.forward),
                guards=True,
            ),
            File(
                UNIT_FILE,
                render(
                    "firewall/mattermost-firewall.service.j2",
                    file=RULES,
                    table=TABLE,
                    listing=LISTING,
                    loaded=LOADED,
                ),
            ),
        ],
        check=Check(f'nft -c -f "$stage{RULES}"'),
    )
    ruleset.loaded(
        name="firewall rules are loaded",
        rules=ruleset.RulesState(unit=UNIT, table=TABLE, listing=LISTING, loaded=LOADED),
        unit_file=UNIT_FILE,
        after=(written,),
    )


def _in_firewalld(settings: Settings, opened: Sequence["Opening"]) -> None:
    if not settings.enabled:
        firewalld.removed(
            name="our firewalld policies are removed", unit=UNIT, files=FIREWALLD_FILES
        )
        files.present(
            name="firewall files are removed",
            entries=[Absent(path) for path in (UNIT_FILE, *FIREWALLD_FILES)],
        )
        return
    policies = firewalld.AskPolicies(unit=UNIT, program=PROGRAM, listing=LISTING)
    forbidden = File(FORWARD_POLICY, render("firewall/forward.xml.j2"), guards=True)
    written = files.present(
        name="firewall rules are written",
        entries=[
            File(
                POLICY,
                render("firewall/policy.xml.j2", rules=list(single_rules(opened))),
                guards=True,
            ),
            Absent(FORWARD_POLICY) if settings.forward else forbidden,
            File(PROGRAM, render("firewall/rules.sh.j2", policy=firewalld.POLICY), "755"),
            File(
                UNIT_FILE,
                render("firewall/firewalld.service.j2", program=PROGRAM, listing=LISTING),
            ),
        ],
        # With a mistake in any file, firewalld falls back to its package's configuration.
        check=Check(
            'firewall-offline-cmd -q --system-config "$stage/etc/firewalld" --check-config',
            tree="/etc/firewalld",
        ),
    )
    firewalld.in_force(
        name="firewall rules are loaded", policies=policies, unit_file=UNIT_FILE, after=(written,)
    )


def before_start(settings: Settings) -> tuple[str, ...]:
    """Lines for the ``[Unit]`` section of services that must not start without the rules.

    Not Requires=: stopping or restarting the firewall by hand would stop the site.
    """
    if not settings.enabled:
        return ()
    return (f"Wants={UNIT}", f"After={UNIT}", f"AssertPathExists={LISTING}")


@dataclass(frozen=True)
class Opening:
    """What is allowed in: some ports or a whole protocol, from everywhere or some sources."""

    protocol: str
    """tcp, udp, or the number of another protocol."""
    ports: tuple[int, ...] = ()
    family: str = ""
    """ip or ip6, if sources are stated."""
    sources: tuple[str, ...] = ()


def openings(surfaces: Iterable[Surface], peers: Sequence[Peer]) -> Iterator[Opening]:
    """An opening for each protocol, kind of peer and address family."""
    shown = list(surfaces)
    groups: dict[tuple[str, Reach], list[int]] = {}
    for port in (port for surface in shown for port in surface.ports):
        if port.reachable_from != "loopback":
            groups.setdefault((port.protocol, port.reachable_from), []).append(port.number)
    for (protocol, reach), numbers in sorted(groups.items(), key=str):
        yield from _opened_to(reach, protocol, tuple(sorted(set(numbers))), peers)
    for other in (one for surface in shown for one in surface.protocols):
        yield from _opened_to(other.reachable_from, str(other.number), (), peers)


def _opened_to(
    reach: Reach, protocol: str, ports: tuple[int, ...], peers: Sequence[Peer]
) -> Iterator[Opening]:
    if not isinstance(reach, Peers | Networks):
        yield Opening(protocol, ports)
        return
    members = reachable_addresses(reach, peers)
    for family, own in (
        ("ip", [one for one in members if ":" not in one]),
        ("ip6", [one for one in members if ":" in one]),
    ):
        if own:
            yield Opening(protocol, ports, family, tuple(sorted(own)))


def accept_rule(opened: Opening) -> str:
    """The nftables rule, with one set for all sources and one for all ports."""
    source = f"{opened.family} saddr {{ {', '.join(opened.sources)} }} " if opened.sources else ""
    if not opened.ports:
        return f"{source}meta l4proto {opened.protocol} accept"
    ports = ", ".join(map(str, opened.ports))
    return f"{source}{opened.protocol} dport {{ {ports} }} accept"


def single_rules(opened: Iterable[Opening]) -> Iterator[Opening]:
    """The same, split by source and port: firewalld's rules have no sets."""
    for one in opened:
        for source in one.sources or ("",):
            for port in one.ports or (0,):
                yield Opening(
                    one.protocol,
                    (port,) if port else (),
                    one.family,
                    (source,) if source else (),
                )


def kernel_rule(single: Opening) -> str:
    """A single rule of firewalld as nft lists it; a network of one address is the address."""
    alone = [one.removesuffix("/32" if single.family == "ip" else "/128") for one in single.sources]
    source = f"{single.family} saddr {alone[0]} " if alone else ""
    if not single.ports:
        return f"{source}meta l4proto {single.protocol} accept"
    return f"{source}{single.protocol} dport {single.ports[0]} accept"


def requires(settings: Settings, place: Place) -> list[Requirement]:
    """No second firewall, and no forwarded packets that ours would drop, if it is enabled."""
    if not settings.enabled:
        return []
    return [
        conflicts.no_other_firewall(),
        conflicts.nothing_forwarded(settings.forward),
        firewalld_decides(),
        other_ways_in(),
        no_legacy_rules(),
    ]
