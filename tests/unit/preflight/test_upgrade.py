"""The adviser of an upgrade: what it finds, in which words."""

from dataclasses import replace

import pytest

from mattermost_host.facts.host import HostFacts
from mattermost_host.ops.database_state import Client
from mattermost_host.ops.upgrade_state import AskUpgrade, Found
from mattermost_host.preflight import upgrade
from mattermost_host.preflight.finding import Finding
from mattermost_host.preflight.upgrade import To
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
    (one,) = (one for one in upgrade.judge(found, facts, To(version)) if one.name == name)
    return one


def test_all_is_well() -> None:
    verdicts = {one.verdict for one in upgrade.judge(WELL, FACTS, To(NEW))}
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
        upgrade.advise(question, FACTS, To(NEW))
    monkeypatch.setattr(
        upgrade, "answers_of", lambda *_: {question: replace(WELL, missing=("nft",))}
    )
    with pytest.raises(OperatorError, match="no nft"):
        upgrade.advise(question, FACTS, To(NEW))


def _all(name: str, found: Found, to: To, facts: HostFacts = FACTS) -> list[Finding]:
    return [one for one in upgrade.judge(found, facts, to) if one.name == name]


def test_a_setting_of_the_console_that_stops_the_new_release() -> None:
    name = "TeamSettings.ExperimentalViewArchivedChannels"
    stops = replace(WELL, settings={name: "false", "ClusterSettings.Enable": "false"})
    (one,) = _all("upgrade-settings", stops, To(NEW))
    assert one.verdict == "error"
    assert one.found == f"{name} is false in the System Console"
    assert "remove it or write True" in one.remedy
    # What the inventory states is what counts, and is judged elsewhere.
    (stated,) = _all("upgrade-settings", stops, To(NEW, settings={name: True}))
    assert stated.verdict == "ok"
    (old,) = _all("upgrade-settings", stops, To("10.12.4"))
    assert old.verdict == "ok"


def test_the_edition() -> None:
    team = replace(WELL, edition="team")
    (one,) = _all("upgrade-edition", team, To(NEW, "enterprise"))
    assert (one.verdict, "it is free" in one.found) == ("note", True)
    (one,) = _all("upgrade-edition", replace(WELL, edition="enterprise"), To(NEW, "team"))
    assert (one.verdict, one.found) == (
        "warning",
        "from the enterprise edition to the team edition",
    )
    for found, to in ((team, To(NEW, "team")), (WELL, To(NEW, "team")), (team, To(NEW))):
        assert _all("upgrade-edition", found, to)[0].verdict == "ok"


def test_migrations_and_how_long_they_took_elsewhere() -> None:
    (one,) = _all("upgrade-migrations", replace(WELL, posts=2_000_000), To(NEW))
    assert one.verdict == "note"
    assert "six migrations" in one.found
    assert "about 7 s for about 2,000,000 posts" in one.found
    (one,) = _all("upgrade-migrations", replace(WELL, posts=50_000_000), To(NEW))
    assert (one.verdict, "page of maintenance" in one.remedy) == ("warning", True)
    (one,) = _all("upgrade-migrations", WELL, To(NEW))
    assert "has not counted the posts" in one.found
    (one,) = _all("upgrade-migrations", WELL, To("10.11.23"))
    assert (one.verdict, "same line" in one.found) == ("ok", True)


def test_room_for_a_table_that_is_written_anew() -> None:
    old = replace(
        FACTS, releases=("5.37.10-aaaaaaaa",), current_release="releases/5.37.10-aaaaaaaa"
    )
    big = replace(WELL, largest="posts", largest_mb=4000)
    (one,) = _all("upgrade-room", replace(big, database_free_mb=8999), To("7.1.9"), old)
    assert (one.verdict, "8000 MB for posts and its log" in one.needed) == ("error", True)
    (one,) = _all("upgrade-room", replace(big, database_free_mb=9000), To("7.1.9"), old)
    assert one.verdict == "ok"
    (one,) = _all("upgrade-room", replace(big, database_free_mb=1000), To(NEW))
    assert one.verdict == "ok"


def test_what_is_different_and_where_not_to_go() -> None:
    told = [one.found for one in _all("upgrade-notes", WELL, To(NEW))]
    assert any(text.startswith("since 11.0: gone: MySQL") for text in told)
    earlier = replace(
        FACTS, releases=("9.11.1-aaaaaaaa",), current_release="releases/9.11.1-aaaaaaaa"
    )
    (one,) = _all("upgrade-path", WELL, To("10.5.1"), earlier)
    assert (one.verdict, "Jira plugin" in one.found) == ("error", True)


def test_every_finding_has_its_meaning() -> None:
    assert {one.name for one in upgrade.judge(WELL, FACTS, To(NEW))} <= set(upgrade.MEANINGS)
