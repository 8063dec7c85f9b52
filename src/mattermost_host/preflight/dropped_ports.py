"""Other firewall tables in the kernel that drop packets for the site's ports.

They are reported and left alone. A rule with conditions that are not evaluated here (addresses,
interfaces, rates) does not apply to everybody, and is skipped.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from mattermost_host.facts.host import HostFacts
from mattermost_host.knowledge.surface import Port
from mattermost_host.preflight.finding import Finding, Requirement
from mattermost_host.preflight.host import unreadable

OURS = "inet mattermost_host"
FIREWALLD = "inet firewalld"
LOOPBACK = "loopback"
BACK = ("output", "postrouting")
"""Hooks that replies pass, not requests."""
FROM_OUTSIDE = ("ingress", "prerouting", "input", *BACK)
SILENT = re.compile(
    r'counter( packets \d+ bytes \d+)?|comment "[^"]*"|log( [a-z-]+ ("[^"]*"|\S+))*'
)
ENDS = re.compile(r"\b(accept|drop|reject|queue|return|redirect|dnat|(?:jump|goto) \S+)\b.*$")
TURNS = {"drop": "drops", "reject": "drops", "redirect": "redirects", "dnat": "redirects"}
"""Verdicts that stop a packet, as the verb of a sentence; others let it continue."""
SHOWN = 5
"""Number of rules that are named."""
DEEPEST = 16
"""Depth of jumps between chains, the kernel's limit."""


@dataclass(frozen=True)
class Packet:
    """The first packet of a connection to a TCP port, or of the reply."""

    port: int
    loopback: bool
    back: bool = False


@dataclass(frozen=True)
class Chain:
    """A chain with its rules in order; a base chain has a hook."""

    table: str
    name: str
    rules: tuple[str, ...]
    hook: str = ""
    policy: str = "accept"


@dataclass
class _Open:
    """A chain that is being read."""

    table: str
    name: str
    rules: list[str] = field(default_factory=list)

    def closed(self) -> Chain:
        hook = re.search(r"hook (\w+) .*?;(?: policy (\w+);)?", " ".join(self.rules[:1]))
        rules = tuple(_audible(rule) for rule in self.rules[1 if hook else 0 :])
        if not hook:
            return Chain(self.table, self.name, rules)
        return Chain(self.table, self.name, rules, hook[1], hook[2] or "accept")


LEGACY = re.compile(r"add (chain|rule) (\S+ \S+) (\S+)(?: (.*))?")


def legacy_chains(commands: Iterable[str]) -> Iterator[Chain]:
    """The chains of legacy iptables, from the nft commands that would create them."""
    every: dict[tuple[str, str], _Open] = {}
    for found in filter(None, map(LEGACY.fullmatch, commands)):
        what, table, name, text = found.groups("")
        one = every.setdefault((table, name), _Open(f"{table} of iptables-legacy", name))
        if rule := text.removeprefix("{ ").removesuffix(" }") if what == "chain" else text:
            one.rules.append(rule)
    for one in every.values():
        yield one.closed()


def _audible(rule: str) -> str:
    return " ".join(SILENT.sub("", rule).split())


def chains(listing: Iterable[str]) -> Iterator[Chain]:
    """The chains in ``nft list ruleset`` that are not ours."""
    table = ""
    chain: _Open | None = None
    for line in map(str.strip, listing):
        if line.startswith("table "):
            table = line.removeprefix("table ").removesuffix(" {")
        elif line.startswith("chain "):
            chain = _Open(table, line.split()[1])
        elif line == "}" and chain:
            if table != OURS:
                yield chain.closed()
            chain = None
        elif chain:
            chain.rules.append(line)


def fate(chain: Chain, packet: Packet, others: Mapping[str, Chain], depth: int = 0) -> str | None:
    """What the chain certainly does with a packet; None if it continues after the last rule."""
    for rule in chain.rules:
        verdict = _verdict(rule, packet)
        if verdict is None:
            continue
        word, _, target = verdict.partition(" ")
        if word == "return":
            return None
        if word not in {"jump", "goto"}:
            return word
        into = others.get(target)
        found = fate(into, packet, others, depth + 1) if into and depth < DEEPEST else None
        if found or word == "goto":
            return found
    return None


def _verdict(rule: str, packet: Packet) -> str | None:
    """The verdict of a rule that certainly applies to the packet."""
    field_of_port = "sport" if packet.back else "dport"
    mapped = re.fullmatch(rf"(.*?)(ct state|(?:tcp|th) {field_of_port}) vmap \{{ (.*) \}}", rule)
    if mapped and _holds(mapped[1], packet):
        for pair in mapped[3].split(", "):
            key, _, verdict = pair.partition(" : ")
            if _holds(f"{mapped[2]} {key}", packet):
                return verdict
        return None
    end = ENDS.search(rule)
    return end[1] if end and _holds(rule[: end.start()], packet) else None


def _holds(condition: str, packet: Packet) -> bool:
    """Whether all conditions are known here and apply to the packet."""
    left = f"{condition.strip()} "
    while left.strip():
        for pattern, judge in CONDITIONS:
            if (found := pattern.match(left)) and judge(found, packet):
                left = left[found.end() :]
                break
        else:
            return False
    return True


def _of_port(found: re.Match[str], packet: Packet) -> bool:
    stated = (one.partition("-") for one in found[3].strip("{} ").split(","))
    bounds = [(first.strip(), last or first.strip()) for first, _, last in stated]
    if not all(first.isdigit() and last.isdigit() for first, last in bounds):
        return False
    named = any(int(first) <= packet.port <= int(last) for first, last in bounds)
    return (found[1] == ("sport" if packet.back else "dport")) and named != bool(found[2])


def _of_state(found: re.Match[str], packet: Packet) -> bool:
    named = ("established" if packet.back else "new") in re.split(r"[{}, ]+", found[2])
    return named != bool(found[1])


def _of_interface(found: re.Match[str], packet: Packet) -> bool:
    # The input hook knows the incoming interface, the output hook the outgoing one.
    return found[1] == ("o" if packet.back else "i") and packet.loopback != bool(found[2])


SET = r"(\{[^}]*\}|\S+) "
CONDITIONS = (
    (re.compile(r"(?:tcp|th) (dport|sport) (!= )?" + SET), _of_port),
    (re.compile(r"ct state (!= )?" + SET), _of_state),
    (re.compile(r'(i|o)if(?:name)? (!= )?"lo" '), _of_interface),
    (re.compile(r"(?:meta l4proto|ip protocol) (?:tcp|\{[^}]*\btcp\b[^}]*\}) "), lambda *_: True),
    (re.compile(r"meta nfproto ipv4 "), lambda *_: True),
)
"""Known conditions, each with its test."""


def _comes_first(facts: HostFacts) -> bool:
    """Whether our policies, which come before firewalld's drops, are still to be installed."""
    return not facts.managed and facts.family.firewall == "firewalld"


def dropping(facts: HostFacts, ports: Sequence[Port]) -> Iterator[str]:
    """A sentence for each other chain that drops packets for one of ``ports``."""
    every = [*chains(facts.nftables), *legacy_chains(facts.legacy_rules)]
    for chain in every:
        if chain.table == FIREWALLD and _comes_first(facts):
            continue
        others = {one.name: one for one in every if one.table == chain.table}
        found: dict[tuple[str, str], list[str]] = {}
        for port in sorted({(one.number, one.reachable_from == LOOPBACK) for one in ports}):
            if turned := _turned(chain, port, others):
                found.setdefault(turned, []).append(str(port[0]))
        for (verb, where), numbers in found.items():
            named = f"chain {chain.name} of table {chain.table}"
            yield f"{named} {verb} {', '.join(numbers)}/tcp{where}"


def _turned(
    chain: Chain, port: tuple[int, bool], others: Mapping[str, Chain]
) -> tuple[str, str] | None:
    """What the chain does with a port, in general or on loopback only."""
    number, only_loopback = port
    for loopback in ([] if only_loopback else [False]) + [True]:
        if chain.hook not in FROM_OUTSIDE or (loopback and chain.hook == "ingress"):
            continue
        packet = Packet(number, loopback, chain.hook in BACK)
        word = fate(chain, packet, others) or chain.policy
        if verb := TURNS.get(word):
            return verb, " on loopback" if loopback else ""
    return None


def legacy_rules(facts: HostFacts) -> list[str]:
    """Rules of legacy iptables, and policies that drop, in nft's words."""
    every = list(legacy_chains(facts.legacy_rules))
    closed = [f"{one.name} policy {one.policy}" for one in every if one.policy != "accept"]
    return closed + [f"{one.name} {rule}" for one in every for rule in one.rules]


def no_legacy_rules() -> Requirement:
    """Rules that nft does not list are reported, whatever they do."""

    def check(facts: HostFacts) -> Iterator[Finding]:
        needed = "no rules beside those of nftables"
        found = legacy_rules(facts)
        if "legacy_rules" in facts.unread:
            yield unreadable("legacy-rules", "which rules iptables-legacy has", needed)
        elif not found:
            yield Finding("legacy-rules", "ok", "none", needed)
        else:
            shown = "; ".join(found[:SHOWN]) + ("; ..." if len(found) > SHOWN else "")
            yield Finding(
                "legacy-rules",
                "note",
                f"{len(found)} rules of iptables-legacy: {shown}",
                needed,
                "The kernel applies them beside the site's firewall, and nft does not list them. "
                "Their owner may remove them (iptables-legacy -F); a run does not change them.",
            )

    return Requirement(
        "legacy-rules", check, "No rules of iptables-legacy, which nft does not list."
    )


def _remedy(found: str) -> str:
    if f"table {FIREWALLD} " in found:
        return (
            "A run puts the site's policies before what firewalld drops. With firewall = "
            "{'enabled': False} open the ports in firewalld: firewall-cmd --permanent "
            "--add-port=443/tcp; firewall-cmd --reload"
        )
    return (
        "The table's owner may open these ports in it, or delete it "
        "(nft delete table ..., or iptables-legacy -F). It is left as it is."
    )


def ports_not_dropped(ports: Sequence[Port]) -> Requirement:
    """No other table drops packets for ``ports``."""

    def check(facts: HostFacts) -> Iterator[Finding]:
        found = "; ".join(dropping(facts, ports))
        if not found:
            yield Finding("ports-not-dropped", "ok", "no other table drops them")
            return
        yield Finding(
            "ports-not-dropped",
            "warning",
            found,
            "no other table that drops the ports of the site",
            _remedy(found),
        )

    return Requirement(
        "ports-not-dropped", check, "No other table of the kernel drops the ports of the site."
    )
