"""The adviser of a move to another PostgreSQL: what it finds, in which words."""

from dataclasses import replace

import pytest

from mattermost_host.facts.host import HostFacts
from mattermost_host.knowledge.families import DEBIAN
from mattermost_host.ops.database_state import Client
from mattermost_host.ops.pgbackrest_state import Repository
from mattermost_host.ops.postgresql_move_state import AskMove, Found, Space
from mattermost_host.preflight import upgrade_postgresql as adviser
from mattermost_host.preflight.finding import Finding
from mattermost_host.support.errors import OperatorError
from tests.unit.examples import DEBIAN_12

QUESTION = AskMove("mattermost", Client(), DEBIAN.cluster(15), DEBIAN.cluster(17))
FACTS = replace(DEBIAN_12, release="13")
WELL = Found(
    serving=True,
    answered=True,
    data_mb=1000,
    free_mb=1000 + adviser.ROOM_MB,
    offered=True,
    collation=("2.41", "2.41"),
)
ALL = ("app", "db", "proxy")


def _finding(name: str, found: Found = WELL, facts: HostFacts = FACTS) -> Finding:
    (one,) = (one for one in adviser.judge(found, QUESTION, facts) if one.name == name)
    return one


def _cut_off(step: str) -> HostFacts:
    return replace(FACTS, database_move=(("step", step), ("old", "15"), ("new", "17")))


ARCHIVED = Repository(code=0, machine="0a", owner="0a chat")


def test_all_is_well() -> None:
    found = list(adviser.judge(WELL, QUESTION, FACTS, ARCHIVED, backups=True))
    assert {one.verdict for one in found} == {"ok", "note"}
    assert {one.name for one in found} == set(adviser.MEANINGS)


@pytest.mark.parametrize(
    ("name", "found", "words"),
    [
        ("move-journal", replace(WELL, at_work=True), "a move is under way"),
        ("move-serving", replace(WELL, serving=False), "the server does not run"),
        ("move-serving", replace(WELL, answered=False), "PostgreSQL does not run"),
        ("move-tools", replace(WELL, missing=("nft", "curl")), "no nft, curl"),
        ("move-target", replace(WELL, offered=False), "apt has no postgresql-17"),
        (
            "move-target",
            replace(WELL, new_cluster=True),
            "17/main that is not the site's",
        ),
        ("move-room", replace(WELL, free_mb=2023), "2023 MB free"),
        ("move-room", replace(WELL, data_mb=-1), "does not answer"),
        ("move-room", replace(WELL, spaces=(Space(5, 4, "/srv/ts"),)), "4 MB free"),
        ("move-room", replace(WELL, spaces=(Space(1, 2024, ""),)), "2024 MB free"),
        ("move-room", replace(WELL, spaces=(Space(-1, -1, ""),)), "does not answer"),
        ("move-extensions", replace(WELL, unpackaged=("postgis (p)",)), "17: postgis (p)"),
        ("move-connections", replace(WELL, prepared=2), "2 prepared transactions"),
        ("move-connections", replace(WELL, slots=("a",)), "would be lost: a"),
    ],
)
def test_what_refuses_a_move(name: str, found: Found, words: str) -> None:
    one = _finding(name, found)
    assert one.verdict == "error"
    assert words in one.found
    assert one.remedy


@pytest.mark.parametrize(
    ("name", "found", "words"),
    [
        ("move-connections", replace(WELL, sessions=("report",)), "others are connected: report"),
        (
            "move-collation",
            replace(WELL, collation=("2.36", "2.41")),
            "the C library 2.36",
        ),
    ],
)
def test_what_is_told(name: str, found: Found, words: str) -> None:
    one = _finding(name, found)
    assert one.verdict == "warning"
    assert words in one.found


def test_a_repository_that_can_not_follow_refuses_a_move() -> None:
    for repository in (None, replace(ARCHIVED, waiting=99)):
        found = adviser.judge(WELL, QUESTION, FACTS, repository, backups=True)
        (one,) = (one for one in found if one.name == "move-backups")
        assert one.verdict == "error"


@pytest.mark.parametrize(
    ("step", "words"),
    [
        ("moves", "PostgreSQL 15 has the data: what there is of the other is removed first"),
        ("stuck", "PostgreSQL 15 has the data"),
        ("starts", "PostgreSQL 17 has the data: it goes on from there"),
    ],
)
def test_one_that_was_cut_off_may_go_on_whatever_else_is_the_case(step: str, words: str) -> None:
    """Not serving, and with half a cluster, as it was left."""
    left = replace(WELL, serving=False, answered=False, new_cluster=True)
    found = list(adviser.judge(left, QUESTION, _cut_off(step)))
    assert "error" not in {one.verdict for one in found}
    assert f"was cut off at the step {step}" in found[0].found
    assert words in found[0].remedy


def test_the_way_back_is_said_with_the_way_to_drop_it() -> None:
    found = _finding("move-way-back").found
    assert "`mattermost-host upgrade-postgresql --back`" in found
    assert "pg_dropcluster 15 main && apt-get purge postgresql-15" in found


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"local_database": False}, "not on the site's own host"),
        (
            {"side_by_side": False, "clusters": (("15", "/var/lib/pgsql/data", 5432),)},
            "the database is PostgreSQL 15 in /var/lib/pgsql/data of the distribution, .* on "
            "Enterprise Linux, so this command does not move it: .* by a dump, as "
            r"docs/operations.md says .* \(postgres.pgdg\) stand side by side there",
        ),
        ({"side_by_side": False}, "the database is no PostgreSQL yet"),
        ({"hosts": 2}, "several hosts"),
        ({"roles": ("db",)}, "several hosts"),
    ],
)
def test_sites_whose_database_is_not_ours_to_move(asked: dict[str, object], words: str) -> None:
    fine: dict[str, object] = {
        "local_database": True,
        "side_by_side": True,
        "clusters": (),
        "roles": ALL,
        "hosts": 1,
    }
    adviser.refuse(**fine)  # type: ignore[arg-type]
    with pytest.raises(OperatorError, match=words):
        adviser.refuse(**{**fine, **asked})  # type: ignore[arg-type]


def test_each_disk_needs_room_for_the_tablespaces_on_it() -> None:
    two = (Space(5, 9, "/srv/ts"), Space(5, 9, "/srv/ts"))
    short = _finding("move-room", replace(WELL, spaces=two))
    assert short.needed.startswith("10 MB in /srv/ts: ")
    assert _finding("move-room", replace(WELL, spaces=two[:1])).verdict == "ok"
