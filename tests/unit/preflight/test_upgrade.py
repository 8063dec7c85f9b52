"""The adviser of an upgrade: what it finds, in which words."""

from dataclasses import replace

import pytest

from mattermost_host.facts.host import HostFacts
from mattermost_host.ops.database_state import Client
from mattermost_host.ops.upgrade_state import AskUpgrade, Found
from mattermost_host.preflight import upgrade
from mattermost_host.preflight.finding import Finding
from mattermost_host.support.errors import OperatorError
from tests.unit.examples import DEBIAN_12

OLD, NEW = "10.11.20", "11.7.9"
FACTS = replace(
    DEBIAN_12, releases=(f"{OLD}-aaaaaaaa",), current_release=f"releases/{OLD}-aaaaaaaa"
)
WELL = Found(serving=True, schema="141", database_mb=1000, free_mb=9000, database_free_mb=9000)
CUT_OFF = {"step": "starts", "old": f"{OLD}-aaaaaaaa", "new": f"{NEW}-bbbbbbbb", "schema": "x"}


def _finding(
    name: str, found: Found = WELL, version: str = NEW, facts: HostFacts = FACTS
) -> Finding:
    (one,) = (one for one in upgrade.judge(found, facts, version) if one.name == name)
    return one


def test_all_is_well() -> None:
    verdicts = {one.verdict for one in upgrade.judge(WELL, FACTS, NEW)}
    assert verdicts == {"ok", "note"}


@pytest.mark.parametrize(
    ("name", "found", "words"),
    [
        ("upgrade-serving", replace(WELL, serving=False), "the server does not run"),
        ("upgrade-tools", replace(WELL, missing=("nft", "curl")), "no nft, curl"),
        ("upgrade-journal", replace(WELL, at_work=True), "an upgrade is under way"),
        ("upgrade-room", replace(WELL, free_mb=2547), "2547 and 9000 MB free"),
        ("upgrade-room", replace(WELL, database_free_mb=999), "9000 and 999 MB free"),
        ("upgrade-room", replace(WELL, database_mb=-1), "does not answer"),
    ],
)
def test_what_refuses_an_upgrade(name: str, found: Found, words: str) -> None:
    one = _finding(name, found)
    assert one.verdict == "error"
    assert words in one.found
    assert one.remedy


def test_just_enough_room() -> None:
    least = replace(WELL, free_mb=upgrade.RELEASE_MB + 500, database_free_mb=1000)
    assert _finding("upgrade-room", least).verdict == "ok"


def test_a_host_without_a_release_and_one_with_a_newer_one() -> None:
    fresh = replace(FACTS, releases=(), current_release="")
    assert _finding("upgrade-release", facts=fresh).found == "no release is on the host"
    older = _finding("upgrade-release", version="10.11.19")
    assert (older.verdict, older.found) == ("error", f"10.11.19 is older than {OLD}")
    assert "mattermost-host rollback" in older.remedy


def test_an_upgrade_that_was_cut_off_is_gone_on_with_or_ended_first() -> None:
    cut = replace(WELL, journal=CUT_OFF, serving=False)
    same = _finding("upgrade-journal", cut)
    assert same.verdict == "warning"
    assert "cut off at the step starts" in same.found
    assert _finding("upgrade-serving", cut).verdict == "ok"
    other = _finding("upgrade-journal", cut, version="11.8.0")
    assert other.verdict == "error"
    for step in ("done", "back", "prepares"):
        ended = replace(WELL, journal={**CUT_OFF, "step": step})
        assert _finding("upgrade-journal", ended).verdict == "ok"


def test_which_way_back_is_open() -> None:
    unknown = _finding("upgrade-way-back").found
    assert f"whether {OLD} runs on the database of {NEW} is not known" in unknown
    assert "made while the server is stopped" in unknown
    known = _finding("upgrade-way-back", version="11.2.4").found
    assert f"{OLD} is known to run on the database that 11.2.4 has migrated" in known
    assert "schema: 141" in known


def test_sites_whose_upgrade_is_not_ours() -> None:
    upgrade.refuse(local_database=True, servers=1)
    with pytest.raises(OperatorError, match="the database is not on the site's own host"):
        upgrade.refuse(local_database=False, servers=1)
    with pytest.raises(OperatorError, match="2 hosts with the server"):
        upgrade.refuse(local_database=True, servers=2)


def test_a_host_that_does_not_say(monkeypatch: pytest.MonkeyPatch) -> None:
    question = AskUpgrade("mattermost", Client(), "/data")
    monkeypatch.setattr(upgrade, "answers_of", lambda *_: {})
    monkeypatch.setattr(upgrade, "host", type("Host", (), {"name": "h1"}))
    with pytest.raises(OperatorError, match="h1 does not say"):
        upgrade.advise(question, FACTS, NEW)
    monkeypatch.setattr(
        upgrade, "answers_of", lambda *_: {question: replace(WELL, missing=("nft",))}
    )
    with pytest.raises(OperatorError, match="no nft"):
        upgrade.advise(question, FACTS, NEW)
