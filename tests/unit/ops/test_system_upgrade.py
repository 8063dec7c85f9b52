"""The system's upgrade: when it begins, what the program on the host is told."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from mattermost_host.engine import explanations
from mattermost_host.knowledge.platforms import Platform, find
from mattermost_host.knowledge.system_upgrades import in_place
from mattermost_host.ops import system_upgrade
from mattermost_host.ops.system_upgrade import AskSystem, Found
from mattermost_host.ops.upgrade import of_server
from mattermost_host.support.errors import OperatorError
from tests.unit.fake_host import Plan, answering, apply, plan
from tests.unit.ops.test_upgrade import WAYS

QUESTION = AskSystem("bookworm")


def _platform(distribution: str, release: str) -> Platform:
    found = find(distribution, release)
    assert found
    return found


BEFORE, AFTER = _platform("debian", "12"), _platform("debian", "13")


def _run(run: Any, found: Found, before: Platform = BEFORE) -> Plan:
    with explanations.collecting():
        made: Plan = run(
            lambda: system_upgrade.upgraded(
                name="upgraded", question=QUESTION, before=before, after=AFTER, ways=WAYS
            ),
            answer=answering({QUESTION: found}),
        )
    return made


def test_one_release_at_a_time() -> None:
    assert in_place(BEFORE) == (BEFORE, AFTER)
    assert in_place(_platform("debian", "11"))[1] is BEFORE
    assert in_place(AFTER) == (AFTER, AFTER)
    with pytest.raises(OperatorError, match="do-release-upgrade on Ubuntu"):
        in_place(_platform("ubuntu", "22.04"))


def test_a_plan_says_what_it_is() -> None:
    system, *services = _run(plan, Found()).step("upgraded").told
    assert system.found == "is Debian 12: it is upgraded to Debian 13, and there is no way back"
    assert (system.severity, system.heals) == ("critical", False)
    assert {(one.effect, one.heals) for one in services} == {("restart", False)}


def test_the_newest_release_is_left_alone() -> None:
    assert _run(plan, Found(), before=AFTER).changed == []


@pytest.mark.parametrize("before", [BEFORE, AFTER])
def test_one_that_was_cut_off_goes_on_whatever_the_host_calls_itself(before: Platform) -> None:
    cut_off = Found(journal={"step": "installs"})
    assert "mode=resume" in _run(apply, cut_off, before).step("upgraded").shell
    assert "that was cut off" in _run(plan, cut_off, before).step("upgraded").told[0].found
    for step in ("prepares", "fetches", "back", "done"):
        assert not Found(journal={"step": step}).unfinished


def test_the_program_is_shell() -> None:
    program = _run(apply, Found()).step("upgraded").shell
    assert "old=bookworm new=trixie mode=upgrade" in program
    assert "--force-confdef" in program and "--force-confold full-upgrade" not in program
    for shell in ("dash", "bash"):
        done = subprocess.run(
            [shell, "-n"], input=program, text=True, capture_output=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")


def test_what_a_host_says() -> None:
    said = [
        "journal=step=installs",
        "serving=yes",
        "held=nginx",
        "broken=nginx-common",
        "others=/etc/apt/sources.list.d/other.list",
        "free_mb=12",
    ]
    assert QUESTION.parse(said) == Found(
        journal={"step": "installs"},
        serving=True,
        held=("nginx",),
        broken=("nginx-common",),
        others=("/etc/apt/sources.list.d/other.list",),
        free_mb=12,
    )
    assert QUESTION.parse([]) == Found()
    checked = subprocess.run(["dash", "-n"], input=QUESTION.script(), text=True, check=False)
    assert checked.returncode == 0


def test_what_curl_could_not_ask_is_no_failure_of_the_site(tmp_path: Path) -> None:
    """While its own libraries were replaced, it ended without an answer."""
    (tmp_path / "answers").write_text("1.0  \n2.0 200 0.5\n3.0 502 0.1\n4.0 000 0.2\n")
    script = f"kept={tmp_path}\n{of_server(WAYS)}\n: & watcher=$!\nwatched"
    done = subprocess.run(["dash", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == (
        "Seen through NGINX, four requests a second: 2 of 3 failed, the slowest took 0.5 s; "
        "unavailable for 1.2 s; 1 more were not asked, for curl did not run.\n"
    )
