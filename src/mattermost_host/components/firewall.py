"""nftables: the ports of the surfaces, for those who may reach them, and nothing else."""

from collections.abc import Iterable, Iterator, Sequence

from pydantic import BaseModel, Field
from pyinfra.api import deploy as component

from mattermost_host.facts.place import Peer, Place, reachable_addresses
from mattermost_host.knowledge.surface import Networks, Peers, Port, Reach, Surface, Unit
from mattermost_host.knowledge.texts import STRICT, Network
from mattermost_host.ops import files, ruleset
from mattermost_host.ops.entries import Absent, File
from mattermost_host.ops.files import Check
from mattermost_host.preflight import conflicts
from mattermost_host.preflight.finding import Requirement
from mattermost_host.support.templates import render

RULES = "/etc/mattermost-host/firewall.nft"
UNIT = "mattermost-firewall.service"
UNIT_FILE = f"/etc/systemd/system/{UNIT}"
TABLE = "inet mattermost_host"
LISTING = "/run/mattermost-host/firewall.listing"
LOADED = "/run/mattermost-host/firewall.loaded"


class Settings(BaseModel):
    """The firewall of each host."""

    model_config = STRICT

    enabled: bool = Field(
        default=True,
        description="Keep a table of our own in nftables. Switched off, it is removed.",
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
    """The unit that loads the rules, and ssh, which the rules must never lock out."""
    facts = place.facts
    # Until a run has come in by the stated port, the one it came in by stays open too.
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
) -> None:
    """Open what ``surfaces`` show to whom each names; ``peers`` are the hosts of the site."""
    if not settings.enabled:
        ruleset.unloaded(name="our rules are out of the kernel", unit=UNIT, table=TABLE)
        files.present(name="our firewall is gone", entries=[Absent(UNIT_FILE), Absent(RULES)])
        return
    rules = list(accept_rules(surfaces, peers))
    written = files.present(
        name="the rules of the site's ports are in place",
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
        name="the rules are in force",
        rules=ruleset.RulesState(unit=UNIT, table=TABLE, listing=LISTING, loaded=LOADED),
        unit_file=UNIT_FILE,
        after=(written,),
    )


def before_start(settings: Settings) -> tuple[str, ...]:
    """Lines of ``[Unit]`` for what must not start without the rules.

    Not Requires: a firewall that is stopped or restarted by hand would stop the site with it.
    """
    if not settings.enabled:
        return ()
    return (f"Wants={UNIT}", f"After={UNIT}", f"AssertPathExists={LISTING}")


def accept_rules(surfaces: Iterable[Surface], peers: Sequence[Peer]) -> Iterator[str]:
    """One nftables rule for each protocol, kind of peer and address family."""
    shown = list(surfaces)
    groups: dict[tuple[str, Reach], list[int]] = {}
    for port in (port for surface in shown for port in surface.ports):
        if port.reachable_from != "loopback":
            groups.setdefault((port.protocol, port.reachable_from), []).append(port.number)
    for (protocol, reach), numbers in sorted(groups.items(), key=str):
        opened = f"{protocol} dport {{ {', '.join(map(str, sorted(set(numbers))))} }} accept"
        yield from _opened_to(reach, opened, peers)
    for other in (one for surface in shown for one in surface.protocols):
        yield from _opened_to(other.reachable_from, f"meta l4proto {other.number} accept", peers)


def _opened_to(reach: Reach, opened: str, peers: Sequence[Peer]) -> Iterator[str]:
    if not isinstance(reach, Peers | Networks):
        yield opened
        return
    members = reachable_addresses(reach, peers)
    for family, own in (
        ("ip", [one for one in members if ":" not in one]),
        ("ip6", [one for one in members if ":" in one]),
    ):
        if own:
            yield f"{family} saddr {{ {', '.join(sorted(own))} }} {opened}"


def requires(settings: Settings, place: Place) -> list[Requirement]:
    """No second firewall, and nobody whom ours would cut off, where it is switched on."""
    if not settings.enabled:
        return []
    return [conflicts.no_other_firewall(), conflicts.nothing_forwarded(settings.forward)]
