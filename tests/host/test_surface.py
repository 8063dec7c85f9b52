"""What every component declares, on the host itself."""

import pytest
from tests.host import asking, judge
from tests.host.asking import Seen

from mattermost_host.surface import Surface


def _declared(seen: Seen, component: str) -> Surface:
    return seen.surfaces[component]


@pytest.mark.declares("units")
def test_units_are_active(seen: Seen, component: str) -> None:
    """Its units are enabled and active."""
    judge.holds(judge.units(_declared(seen, component).units, seen.answers[asking.UNITS]))


@pytest.mark.declares("units")
def test_units_have_their_user(seen: Seen, component: str) -> None:
    """Its units run as their own user."""
    units, processes = seen.answers[asking.UNITS], seen.answers[asking.PROCESSES]
    judge.holds(judge.users(_declared(seen, component).units, units, processes))


@pytest.mark.declares("sandboxed_units")
def test_units_are_sandboxed(seen: Seen, component: str) -> None:
    """Its units are no more exposed than they must be."""
    declared = _declared(seen, component).sandboxed_units
    judge.holds(judge.exposures(declared, seen.answers[asking.EXPOSURES]))


@pytest.mark.declares("secret_files")
def test_secret_files_are_closed(seen: Seen, component: str) -> None:
    """Its secret files are closed to others."""
    declared = _declared(seen, component).secret_files
    judge.holds(judge.secret_files(declared, seen.secret_files))


@pytest.mark.declares("ports")
def test_ports_are_served(seen: Seen, component: str) -> None:
    """Its ports are served, and only where they should be."""
    declared = _declared(seen, component).ports
    judge.holds(judge.listening(declared, seen.facts.listeners))
