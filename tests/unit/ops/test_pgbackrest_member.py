"""The repository that the members of a cluster share: what is read, and who does what."""

import json
from typing import Any

import pytest

from mattermost_host.ops import pgbackrest
from mattermost_host.ops.backup_files import DUMP_SERVICE, DUMPED
from mattermost_host.ops.backup_made import OLDEST_S, FilesMade
from mattermost_host.ops.backup_members import FILES, REPOSITORY
from mattermost_host.ops.pgbackrest_state import MARK, Repository
from tests.unit.fake_host import Plan, answering, plan

NOW = 1_800_000_000
GOOD = Repository(
    code=0, system="7", own="7", newest=NOW - 3600, whole=NOW - 3600, dumped=NOW - 3500, now=NOW,
    machine="7", owner="7 db1", whose="site",
)  # fmt: skip


def _said(*more: str) -> list[str]:
    backups = [{"error": False, "timestamp": {"start": 1, "stop": 1_000}}]
    told = [{"backup": backups, "db": [{"system-id": 7}], "status": {"code": 0, "message": "ok"}}]
    return ["now=3000", json.dumps(told), "owner=7 db1", "dumped=900", *more]


def test_a_leader_is_read() -> None:
    found = REPOSITORY.parse(_said("own=7", "follows=f", "waiting=3"))
    assert (found.whole, found.newest, found.dumped, found.waiting) == (1_000, 1_000, 900, 3)
    assert (found.whose, found.follows, found.wrong, found.old) == ("site", False, "", "")


def test_what_a_former_leader_left_waits_for_nobody() -> None:
    found = REPOSITORY.parse(_said("own=7", "follows=t", "waiting=30"))
    assert (found.follows, found.wrong) == (True, "")


def test_a_database_that_does_not_answer_makes_the_repository_nobody_elses() -> None:
    assert REPOSITORY.parse(_said("own=", "follows=")).wrong == ""


def test_the_last_backup_is_too_old_whichever_member_made_it() -> None:
    old = Repository(**{**vars(GOOD), "newest": NOW - OLDEST_S - 10, "whole": NOW - OLDEST_S - 10})
    assert old.old == "is 30 hours old"
    assert Repository(**{**vars(GOOD), "dumped": 0}).old == "was never made"


def _changed(**values: Any) -> Repository:
    return Repository(**{**vars(GOOD), **values})


def _stanza(now: Repository) -> Plan:
    asked = answering({REPOSITORY: now})
    return plan(lambda: pgbackrest.stanza(name="archived", question=REPOSITORY), answer=asked)


def _recent(now: Repository) -> Plan:
    asked = answering({REPOSITORY: now})
    wanted = {"question": REPOSITORY, "unit": DUMP_SERVICE, "noted": (DUMPED,)}
    return plan(lambda: pgbackrest.recent(name="recent", **wanted), answer=asked)  # type: ignore[arg-type]


@pytest.mark.parametrize("follows", [True, False])
def test_a_good_one_is_left(follows: bool) -> None:
    now = _changed(follows=follows)
    assert _stanza(now).changed == _recent(now).changed == []


def test_the_leader_begins_it_with_the_mark_of_its_database() -> None:
    shell = _stanza(_changed(code=1, system="", owner="")).shell
    assert "stanza-create" in shell
    assert 'echo "7 $(uname -n)" | (cd / && runuser -u postgres -- timeout 150' in shell
    assert shell.rstrip().endswith("check >&2")


def test_a_follower_waits_for_that() -> None:
    shell = _stanza(_changed(code=1, system="", owner="", follows=True)).shell
    assert "stanza-create" not in shell
    assert "repo-put" not in shell
    assert f"repo-get --raw --ignore-missing {MARK}) | grep -q ." in shell
    assert "has not begun the repository within" in shell


@pytest.mark.parametrize("follows", [True, False])
def test_another_sites_is_refused_by_each_member(follows: bool) -> None:
    shell = _stanza(_changed(owner="0b other", follows=follows)).shell
    assert "belongs to another site (other). Two sites in one would make both unusable" in shell
    assert "If that site is gone for good" in shell
    assert shell.endswith(">&2; exit 1")
    assert _stanza(_changed(system="8", follows=follows)).shell.endswith(">&2; exit 1")


def test_an_overdue_backup_is_made_by_the_leader_and_noted() -> None:
    leads, follows = (_recent(_changed(newest=1, whole=1, follows=one)) for one in (False, True))
    assert f"for noted in {DUMPED}; do" in leads.shell
    assert "for noted in ; do" in follows.shell, "what it runs has nothing to do, and notes nothing"
    for one in (leads, follows):
        assert f"systemctl start --no-block {DUMP_SERVICE}" in one.shell
        assert "for one in mattermost-backup-database.service mattermost-backup-dump" in one.shell


def test_the_files_are_judged_by_themselves() -> None:
    lines = ["now=200000", "whole=100", "Id=mattermost-backup.service", "ActiveState=inactive"]
    assert FILES.parse([*lines, "NeedDaemonReload=yes"]) == FilesMade(
        now=200_000, whole=100, unread=True
    )
    assert FILES.parse(lines).old == "is 55 hours old"
    assert FILES.parse([]).old == "was never made"
    failed = FILES.parse([*lines[:3], "ActiveState=failed"])
    assert failed.old == "failed (mattermost-backup.service)"
