"""The firewall of every host."""

from mattermost_host.components import firewall
from mattermost_host.preflight.dropped_ports import dropping, legacy_rules
from tests.host import asking, judge, judge_firewalld
from tests.host.asking import Seen
from tests.host.recording import Recorder


def test_the_kernel_has_the_rules_of_the_site(seen: Seen) -> None:
    """The kernel has the site's firewall rules."""
    peers = seen.site.peers({seen.host.name: seen.facts})
    opened = list(firewall.openings(seen.surfaces.values(), peers))
    enabled = seen.settings.firewall.enabled
    if seen.facts.family.firewall == "firewalld" and not enabled:
        judge.holds(judge_firewalld.switched_off(seen.answers[asking.LEFTOVERS]))
    elif seen.facts.family.firewall == "firewalld":
        wanted = map(firewall.kernel_rule, firewall.single_rules(opened))
        judge.holds(judge_firewalld.policies(wanted, seen.answers[asking.POLICIES]))
    else:
        wanted = map(firewall.accept_rule, opened)
        judge.holds(judge.firewall(enabled, wanted, seen.answers[asking.FIREWALL]))


def test_its_unit_is_its_own(seen: Seen) -> None:
    """Nothing overrides the firewall's unit file."""
    if seen.settings.firewall.enabled:
        judge.holds(judge.own_unit_files(firewall.UNIT, seen.answers[asking.FIREWALL_FILES]))


def test_nothing_else_listens(seen: Seen) -> None:
    """No process listens on a port that is not declared."""
    ports = [port for surface in seen.surfaces.values() for port in surface.ports]
    judge.holds(judge.nothing_else_listens(ports, seen.facts.listeners))


def test_no_other_table_drops_the_ports(seen: Seen, record_property: Recorder) -> None:
    """Other rules, of nftables or legacy iptables, that drop the site's ports are reported."""
    ports = [port for surface in seen.surfaces.values() for port in surface.ports]
    for sentence in dropping(seen.facts, ports):
        record_property("other firewall", sentence)
    for rule in legacy_rules(seen.facts):
        record_property("iptables-legacy", rule)
