"""The doors of every host."""

from mattermost_host.components import firewall
from tests.host import asking, judge
from tests.host.asking import Seen


def test_the_kernel_has_the_rules_of_the_site(seen: Seen) -> None:
    """The kernel has the rules of the site."""
    peers = seen.site.peers({seen.host.name: seen.facts})
    wanted = firewall.accept_rules(seen.surfaces.values(), peers)
    enabled = seen.settings.firewall.enabled
    judge.holds(judge.firewall(enabled, wanted, seen.answers[asking.FIREWALL]))


def test_nothing_else_listens(seen: Seen) -> None:
    """Nothing listens but what is declared."""
    ports = [port for surface in seen.surfaces.values() for port in surface.ports]
    judge.holds(judge.nothing_else_listens(ports, seen.facts.listeners))
