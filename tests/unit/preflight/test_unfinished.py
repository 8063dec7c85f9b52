"""What was begun on a host and did not end is named by every run, in the words of one list."""

import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mattermost_host.facts import database
from mattermost_host.facts.host import HostFacts
from mattermost_host.facts.questions import SCRIPT
from mattermost_host.ops import detached, system_upgrade, unfinished, upgrade_state
from mattermost_host.ops.backup_files import RESTORING, STATE_FOLDER
from mattermost_host.preflight.unfinished import nothing_unfinished
from tests.unit.examples import DEBIAN_12

FIELDS = {
    "last_upgrade": upgrade_state.UNFINISHED,
    "database_move": database.UNFINISHED,
    "system_upgrade": system_upgrade.UNFINISHED,
    "restore": unfinished.RESTORE.steps,
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


def test_each_run_warns_of_a_restore_that_was_cut_off() -> None:
    (found,) = nothing_unfinished().check(_with("restore", "restores"))
    assert found.verdict == "warning"
    assert "run `mattermost-host restore` again, with the same options" in found.remedy
    assert "kept beside it as ….before-restore-TIME" in found.remedy


@pytest.mark.parametrize(
    ("there", "asked"),
    [
        ((), ""),
        (("log",), "step restores\n"),
        (("log", "ended"), ""),
        (("ended",), ""),
    ],
)
def test_a_restore_has_ended_once_it_said_how(
    tmp_path: Path, there: tuple[str, ...], asked: str
) -> None:
    for one in there:
        (tmp_path / f"{RESTORING.unit}.{one}").touch()
    assert SCRIPT.count(STATE_FOLDER) == 1
    script = SCRIPT.replace(STATE_FOLDER, str(tmp_path))
    done = subprocess.run(
        ["sh", "-euc", f"{script}\nrestore"], capture_output=True, text=True, check=True
    )
    assert done.stdout == asked


@pytest.mark.parametrize("cut", [True, False])
def test_a_program_that_is_cut_off_leaves_what_is_asked_for(tmp_path: Path, *, cut: bool) -> None:
    """``detached`` leaves a log, and how it ended; by its own words, run without systemd."""
    where = replace(RESTORING, folder=str(tmp_path))
    run = "systemd-run() { shift 3; %s; }\nsystemctl() { false; }\n"
    script = run % ("true" if cut else '"$@"') + detached.run(where, "echo said")
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    assert ("it was cut off" in done.stderr) == cut
    ended = tmp_path / f"{where.unit}.ended"
    assert (tmp_path / f"{where.unit}.log").exists()
    assert ended.exists() != cut
