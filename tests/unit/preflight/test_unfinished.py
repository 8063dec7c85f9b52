"""What was begun on a host and did not end is named by every run, in the words of one list."""

from dataclasses import replace
from typing import Any

import pytest

from mattermost_host.facts import database
from mattermost_host.facts.host import HostFacts
from mattermost_host.ops import system_upgrade, unfinished, upgrade_state
from mattermost_host.preflight.unfinished import nothing_unfinished
from tests.unit.examples import DEBIAN_12

FIELDS = {
    "last_upgrade": upgrade_state.UNFINISHED,
    "database_move": database.UNFINISHED,
    "system_upgrade": system_upgrade.UNFINISHED,
}
CUT_OFF = [(name, step) for name, steps in FIELDS.items() for step in steps]
ENDED = [(name, step) for name in FIELDS for step in ("", "prepares", "back", "done")]


def _with(name: str, step: str) -> HostFacts:
    journal: Any = (("step", step), ("old", "1"), ("new", "2"))
    return replace(DEBIAN_12, **{name: journal})


@pytest.mark.parametrize(("name", "step"), CUT_OFF)
def test_what_was_cut_off_is_named_with_its_step_and_the_way_on(name: str, step: str) -> None:
    (found,) = unfinished.on(_with(name, step))
    assert str(found).endswith(f" from 1 to 2 is under way, or was cut off at the step {step}")
    assert "`mattermost-host upgrade" in found.kind.remedy


@pytest.mark.parametrize(("name", "step"), ENDED)
def test_what_came_to_its_end_is_not(name: str, step: str) -> None:
    assert list(unfinished.on(_with(name, step))) == []


def test_each_run_warns_of_upgrades_and_leaves_the_database_to_its_own_check() -> None:
    facts = replace(_with("last_upgrade", "starts"), system_upgrade=(("step", "installs"),))
    server, system = nothing_unfinished().check(replace(facts, database_move=(("step", "moves"),)))
    assert (server.verdict, system.verdict) == ("warning", "warning")
    assert "`mattermost-host rollback`" in server.remedy
    assert (
        system.found == "an upgrade of the system is under way, or was cut off at the step installs"
    )
    (fine,) = nothing_unfinished().check(DEBIAN_12)
    assert fine.verdict == "ok"
