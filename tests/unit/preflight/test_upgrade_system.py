"""The adviser of an upgrade of the system: what it finds, in which words."""

from dataclasses import replace

import pytest

from mattermost_host.knowledge.platforms import PLATFORMS
from mattermost_host.ops.system_upgrade import Found
from mattermost_host.preflight import upgrade_system as adviser
from mattermost_host.preflight.finding import Finding
from mattermost_host.support.errors import OperatorError

AFTER, BEFORE = PLATFORMS[:2]
WELL = Found(serving=True, free_mb=adviser.ROOM_MB)


def _finding(name: str, found: Found = WELL, *, backups: bool = True) -> Finding:
    every = adviser.judge(found, BEFORE, AFTER, backups=backups)
    (one,) = (one for one in every if one.name == name)
    return one


def test_all_is_well() -> None:
    found = list(adviser.judge(WELL, BEFORE, AFTER, backups=True))
    assert {one.verdict for one in found} == {"ok", "note"}
    assert {one.name for one in found} == set(adviser.MEANINGS)
    assert _finding("system-target").found == (
        "Debian 12 to 13 (trixie), with free updates until 2030-06-30"
    )


@pytest.mark.parametrize(
    ("name", "found", "words"),
    [
        ("system-journal", replace(WELL, at_work=True), "is under way"),
        ("system-serving", replace(WELL, serving=False), "the server does not run"),
        ("system-packages", replace(WELL, held=("nginx",)), "held in their version: nginx"),
        ("system-packages", replace(WELL, broken=("nginx",)), "not wholly installed: nginx"),
        ("system-room", replace(WELL, free_mb=2047), "2047 MB free"),
        ("system-room", replace(WELL, free_mb=-1), "df does not answer"),
    ],
)
def test_what_refuses_an_upgrade(name: str, found: Found, words: str) -> None:
    one = _finding(name, found)
    assert one.verdict == "error"
    assert words in one.found
    assert one.remedy


def test_sources_of_others_and_a_host_without_backups_are_warned_of() -> None:
    others = _finding("system-sources", replace(WELL, others=("/etc/apt/x.list",)))
    assert (others.verdict, "/etc/apt/x.list" in others.found) == ("warning", True)
    alone = _finding("system-way-back", backups=False)
    assert (alone.verdict, "nothing is backed up" in alone.found) == ("warning", True)


def test_one_that_was_cut_off_can_only_go_on() -> None:
    left = Found(journal={"step": "installs"}, broken=("nginx",))
    (found,) = adviser.judge(left, BEFORE, AFTER, backups=False)
    assert found.verdict == "warning"
    assert "ended at the step installs" in found.found


@pytest.mark.parametrize("asked", [{"hosts": 2}, {"roles": ("db",)}, {"local_database": False}])
def test_sites_whose_systems_are_not_ours_to_upgrade(asked: dict[str, object]) -> None:
    fine: dict[str, object] = {"hosts": 1, "roles": ("app", "db", "proxy"), "local_database": True}
    adviser.refuse(**fine)  # type: ignore[arg-type]
    with pytest.raises(OperatorError, match="a site on one host"):
        adviser.refuse(**{**fine, **asked})  # type: ignore[arg-type]
