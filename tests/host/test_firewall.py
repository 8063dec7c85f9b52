"""The doors of every host."""

from tests.host import asking, judge
from tests.host.asking import Seen

from mattermost_host.components import firewall


def test_the_kernel_has_the_rules_of_the_site(seen: Seen) -> None:
    ports = seen.site.ports(seen.host.name, seen.facts)
    wanted = firewall.accept_rules(ports, {})
    enabled = seen.settings.firewall.enabled
    judge.holds(judge.firewall(enabled, wanted, seen.answers[asking.FIREWALL]))


def test_nothing_else_listens(seen: Seen) -> None:
    ports = seen.site.ports(seen.host.name, seen.facts)
    judge.holds(judge.nothing_else_listens(ports, seen.facts.listeners))
