"""nftables: the ports of the surfaces, for those who may reach them, and nothing else."""

from collections.abc import Iterable, Mapping, Sequence

from pydantic import BaseModel, ConfigDict, Field
from pyinfra.api import deploy as component

from mattermost_host.facts.host import HostFacts
from mattermost_host.knowledge.surface import Port, Surface, Unit
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


class Settings(BaseModel):
    """The firewall of each host."""

    model_config = ConfigDict(frozen=True, extra="forbid")

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
    forward: bool = Field(
        default=False,
        description="Let the host forward packets between networks (containers, VPN).",
    )


def surface(settings: Settings, facts: HostFacts) -> Surface:
    """The unit that loads the rules, and ssh, which the rules must never lock out."""
    # Until a run has come in by the stated port, the one it came in by stays open too.
    numbers = dict.fromkeys((settings.ssh_port or facts.ssh_port, facts.ssh_port))
    ssh = tuple(Port(number, "administration", "world", process="sshd") for number in numbers)
    return Surface(units=(Unit(UNIT),) * settings.enabled, ports=ssh)


@component("Firewall")
def deploy(
    settings: Settings,
    ports: Sequence[Port],
    role_addresses: Mapping[str, Sequence[str]],
) -> None:
    """Open ``ports`` to whom each names. ``role_addresses``: role to its hosts' addresses."""
    if not settings.enabled:
        ruleset.unloaded(name="our rules are out of the kernel", unit=UNIT, table=TABLE)
        files.present(name="our firewall is gone", entries=[Absent(UNIT_FILE), Absent(RULES)])
        return
    rules = list(accept_rules(ports, role_addresses))
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
                ),
            ),
        ],
        check=Check(f'nft -c -f "$stage{RULES}"'),
    )
    ruleset.loaded(
        name="the rules are in force",
        rules=ruleset.RulesState(unit=UNIT, table=TABLE, file=RULES, listing=LISTING),
        after=(written,),
    )


def accept_rules(
    ports: Iterable[Port], role_addresses: Mapping[str, Sequence[str]]
) -> Iterable[str]:
    """One nftables rule for each protocol, kind of peer and address family."""
    groups: dict[tuple[str, str], list[int]] = {}
    for port in ports:
        if port.reachable_from != "loopback":
            groups.setdefault((port.protocol, port.reachable_from), []).append(port.number)
    for (protocol, peer), numbers in sorted(groups.items()):
        opened = f"{protocol} dport {{ {', '.join(map(str, sorted(set(numbers))))} }} accept"
        if peer == "world":
            yield opened
            continue
        addresses = role_addresses[peer]
        for family, members in (
            ("ip", [address for address in addresses if ":" not in address]),
            ("ip6", [address for address in addresses if ":" in address]),
        ):
            if members:
                yield f"{family} saddr {{ {', '.join(sorted(members))} }} {opened}"


def requires(settings: Settings) -> list[Requirement]:
    """No second firewall, where ours is switched on."""
    return [conflicts.no_other_firewall()] if settings.enabled else []
