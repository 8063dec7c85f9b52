"""What was begun on a host and did not end is named by every run, in the words of one list."""

import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mattermost_host.facts import database
from mattermost_host.facts.host import HostFacts
from mattermost_host.facts.questions import SCRIPT
from mattermost_host.ops import system_upgrade, unfinished, upgrade_state
from mattermost_host.ops.backup_files import RESTORE_JOURNAL, RESTORE_UNFINISHED
from mattermost_host.preflight.unfinished import nothing_unfinished
from tests.unit.examples import DEBIAN_12

FIELDS = {
    "last_upgrade": upgrade_state.UNFINISHED,
    "database_move": database.UNFINISHED,
    "system_upgrade": system_upgrade.UNFINISHED,
    "restore": RESTORE_UNFINISHED,
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
    command = "restore`" if name == "restore" else "upgrade"
    assert f"`mattermost-host {command}" in found.kind.remedy


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


@pytest.mark.parametrize("step", RESTORE_UNFINISHED)
def test_no_run_goes_on_where_a_restore_was_cut_off(step: str) -> None:
    (found,) = nothing_unfinished().check(_with("restore", step))
    assert found.verdict == "error"
    assert f"was cut off at the step {step}" in found.found
    assert "run `mattermost-host restore` again, with the same options" in found.remedy
    assert "`mattermost-host restore --back` does the first and no more" in found.remedy


def test_the_journal_of_a_restore_is_read(tmp_path: Path) -> None:
    """Its step, and nothing else of it."""
    journal = tmp_path / Path(RESTORE_JOURNAL).name
    assert SCRIPT.count(RESTORE_JOURNAL) == 1
    script = SCRIPT.replace(RESTORE_JOURNAL, str(journal))
    for text, asked in (
        (None, ""),
        ("step=files\nkept=/a/b\naside=\nran=active\n", "step files\n"),
    ):
        if text:
            journal.write_text(text)
        done = subprocess.run(
            ["sh", "-euc", f"{script}\nrestore"], capture_output=True, text=True, check=True
        )
        assert done.stdout == asked
