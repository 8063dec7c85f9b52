"""The declared surface of every component, on the host itself."""

import pytest

from tests.host import asking, declared, judge
from tests.host.asking import Seen


@pytest.mark.declares(declared.UNITS)
def test_units_are_active(seen: Seen, component: str) -> None:
    """Its units are enabled and active."""
    judge.holds(judge.units(seen.surfaces[component].units, seen.answers[asking.UNITS]))


@pytest.mark.declares(declared.PROBED)
def test_units_answer(seen: Seen, component: str) -> None:
    """Its units answer, and don't hang."""
    judge.holds(judge.answering(seen.surfaces[component].units, seen.answering))


@pytest.mark.declares(declared.UNITS)
def test_units_have_their_user(seen: Seen, component: str) -> None:
    """Its units run as their own user."""
    units, processes = seen.answers[asking.UNITS], seen.answers[asking.PROCESSES]
    judge.holds(judge.users(seen.surfaces[component].units, units, processes))


@pytest.mark.declares(declared.SANDBOXED)
def test_units_are_sandboxed(seen: Seen, component: str) -> None:
    """The exposure of its units (systemd-analyze security) is within the bound."""
    units = declared.sandboxed(seen.surfaces[component])
    judge.holds(judge.exposures(units, seen.answers[asking.EXPOSURES]))


@pytest.mark.declares(declared.SECRET_FILES)
def test_secret_files_are_closed(seen: Seen, component: str) -> None:
    """Its secret files are closed to others."""
    files = seen.surfaces[component].secret_files
    judge.holds(judge.secret_files(files, seen.secret_files))


@pytest.mark.declares(declared.PORTS)
def test_ports_are_served(seen: Seen, component: str) -> None:
    """Its ports are served, on the right addresses only."""
    judge.holds(judge.listening(seen.surfaces[component].ports, seen.facts.listeners))
