"""Tables of others in the kernel that drop what comes for the ports of the site.

They are told, and left alone. What a rule asks beside the port (addresses, interfaces, states) is
for somebody in particular: such a rule drops nothing for everybody, and is passed over.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from mattermost_host.facts.host import HostFacts
from mattermost_host.knowledge.surface import Port
from mattermost_host.preflight.finding import Finding, Requirement

OURS = "inet mattermost_host"
VERDICT = re.compile(r"\b(accept|drop|reject|jump|goto|return|queue)\b")
SILENT = re.compile(r'counter( packets \d+ bytes \d+)?|comment "[^"]*"|log\b.*')
PORTS = re.compile(r"^(?:meta l4proto tcp )?(tcp|th) dport (?:\{ ([^}]*) \}|(\S+))$")


@dataclass(frozen=True)
class Chain:
    """A chain that packets for this host come by, with its rules in order."""

    table: str
    name: str
    policy: str
    rules: tuple[str, ...]


def chains(listing: Iterable[str]) -> Iterator[Chain]:
    """The chains of others at the hooks ``input`` and ``prerouting`` in ``nft list ruleset``."""
    table = name = ""
    rules: list[str] = []
    for line in map(str.strip, listing):
        if line.startswith("table "):
            table = line.removeprefix("table ").removesuffix(" {")
        elif line.startswith("chain "):
            name, rules = line.split()[1], []
        elif line == "}" and name:
            hook = re.search(
                r"hook (input|prerouting) .*?; (?:policy (\w+);)?", " ".join(rules[:1])
            )
            if hook and table != OURS:
                yield Chain(table, name, hook[2] or "accept", tuple(rules[1:]))
            name = ""
        elif name:
            rules.append(line)


def drops(chain: Chain, port: int) -> bool:
    """Whether the chain drops a new connection from anywhere to this TCP port."""
    for rule in chain.rules:
        verdict = VERDICT.search(rule)
        if not verdict or not _is_for_all(rule[: verdict.start()], port):
            continue
        # Where a jump goes is not followed: nothing is said that is not sure.
        return verdict[1] in {"drop", "reject"}
    return chain.policy == "drop"


def _is_for_all(condition: str, port: int) -> bool:
    asked = " ".join(SILENT.sub("", condition).split())
    if not asked:
        return True
    found = PORTS.match(asked)
    stated = (found[2] or found[3]).split(",") if found else []
    return any(_holds(one, port) for one in stated)


def _holds(stated: str, port: int) -> bool:
    first, _, last = stated.strip().partition("-")
    return first.isdigit() and int(first) <= port <= int(last or first)


def dropping(facts: HostFacts, ports: Sequence[Port]) -> Iterator[str]:
    """A sentence for each chain of others that drops one of ``ports``."""
    opened = sorted({port.number for port in ports if port.reachable_from != "loopback"})
    for chain in chains(facts.nftables):
        if closed := [str(number) for number in opened if drops(chain, number)]:
            yield f"chain {chain.name} of table {chain.table} drops {', '.join(closed)}/tcp"


def ports_not_dropped(ports: Sequence[Port]) -> Requirement:
    """No other table drops what comes for ``ports``."""

    def check(facts: HostFacts) -> Iterator[Finding]:
        found = "; ".join(dropping(facts, ports))
        if not found:
            yield Finding("ports-not-dropped", "ok", "no other table drops them")
            return
        yield Finding(
            "ports-not-dropped",
            "warning",
            found,
            "no other table of nftables that drops the ports of the site",
            "Whoever put the table there may open these ports in it, or delete it "
            "(nft delete table ...). It is left as it is.",
        )

    return Requirement(
        "ports-not-dropped", check, "No other table of nftables drops the ports of the site."
    )
