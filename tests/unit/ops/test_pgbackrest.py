"""The repository of pgBackRest: what is read, what a run does about it, and what it says."""

import json
from pathlib import Path
from typing import Any

import pytest

from mattermost_host.components.backup import QUESTION
from mattermost_host.ops import pgbackrest, pgbackrest_state
from mattermost_host.ops.backup_files import DUMPED, LAST, SERVICE
from mattermost_host.ops.backup_made import OLDEST_S
from mattermost_host.ops.backup_target import CONFIGURATION
from mattermost_host.ops.pgbackrest_state import PROVEN_S, Repository
from tests.unit import local
from tests.unit.fake_host import Plan, answering, plan

NOW = 1_800_000_000
GOOD = Repository(
    code=0, system="7", own="7", newest=NOW - 3600, whole=NOW - 3590, dumped=NOW - 3595, now=NOW,
    machine="0a", owner="0a chat",
)  # fmt: skip


def _info(**status: Any) -> str:
    backups = [
        {"error": False, "timestamp": {"start": 1, "stop": 1_000}},
        {"error": True, "timestamp": {"start": 2, "stop": 2_000}},
    ]
    databases = [{"id": 1, "system-id": 6}, {"id": 2, "system-id": 7}]
    return json.dumps(
        [{"backup": backups, "db": databases, "name": "mattermost", "status": status}]
    )


def test_what_a_host_says_is_read() -> None:
    lines = [
        "now=3000",
        "whole=1100",
        "dumped=1050",
        "proven=1200",
        "DrillActiveState=failed",
        "DrillNeedDaemonReload=yes",
        "machine=0a",
        "Id=mattermost-backup.service",
        "ActiveState=failed",
        "NeedDaemonReload=yes",
        "",
        "Id=mattermost-backup-dump.service",
        "ActiveState=activating",
        "NeedDaemonReload=no",
        _info(code=0, message="ok"),
        "owner=0a chat",
        "own=7",
        "waiting=3",
    ]
    assert QUESTION.parse(lines) == Repository(
        code=0,
        message="ok",
        system="7",
        own="7",
        machine="0a",
        owner="0a chat",
        failed="mattermost-backup.service",
        waiting=3,
        newest=1_000,
        whole=1_100,
        dumped=1_050,
        oldest=1_000,
        proven=1_200,
        drill_failed=True,
        drill_unread=True,
        now=3_000,
        under_way=True,
        unread=True,
    )


def test_what_other_means_is_said_by_the_repository() -> None:
    """As pgBackRest 2.45 and later print a service that refuses connections."""
    cause = "[HostConnectError] unable to connect to 's3.test:9000'\nHINT: is it there?"
    repository = {"cipher": "none", "key": 1, "status": {"code": 99, "message": cause}}
    status = {"code": 99, "message": "other"}
    told = [{"backup": [], "db": [], "repo": [repository], "status": status}]
    found = QUESTION.parse([json.dumps(told)])
    assert found.wrong == "can't be read: [HostConnectError] unable to connect to 's3.test:9000'"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("ERROR: there was no answer within 20 s", "there was no answer within 20 s"),
        ("ERROR: [056]: unable to find primary", "unable to find primary"),
    ],
)
def test_a_repository_that_is_away_is_told_with_its_cause(line: str, said: str) -> None:
    found = QUESTION.parse(["now=3000", "whole=1000", "dumped=1000", line, "", "own=7"])
    assert found.wrong == f"can't be read: {said}"
    assert found.old == ""


@pytest.mark.parametrize("lines", [[], ["now=1", "own=", "waiting="], ["[", "now=1"]])
def test_a_host_that_says_little_has_no_good_repository(lines: list[str]) -> None:
    found = QUESTION.parse(lines)
    assert found.code == -1
    assert found.wrong.startswith("can't be read")
    assert found.old == "was never made"


def _stanza(now: Repository) -> Plan:
    asked = answering({QUESTION: now})
    return plan(lambda: pgbackrest.stanza(name="archived", question=QUESTION), answer=asked)


def _recent(now: Repository) -> Plan:
    asked = answering({QUESTION: now})
    return plan(
        lambda: pgbackrest.recent(
            name="recent", question=QUESTION, unit=SERVICE, noted=(LAST, DUMPED)
        ),
        answer=asked,
    )


def _changed(**values: Any) -> Repository:
    return Repository(**{**vars(GOOD), **values})


def test_a_good_one_is_left() -> None:
    assert _stanza(GOOD).changed == []
    assert _stanza(_changed(code=2, newest=0)).changed == []
    assert _recent(GOOD).changed == []


@pytest.mark.parametrize("code", [1, 3])
def test_one_that_is_missing_is_begun_and_tried(code: int) -> None:
    shell = _stanza(_changed(code=code)).shell
    assert "stanza-create" in shell
    assert shell.index("stanza-create") < shell.index(" check")


def test_another_databases_is_refused_and_left() -> None:
    shell = _stanza(_changed(system="6")).shell
    assert "another database" in shell
    assert shell.rstrip().endswith("exit 1")
    assert "pgbackrest --stanza" not in shell


def test_another_hosts_is_refused_and_left() -> None:
    """A copy of the host has the same database, and would archive there, too."""
    now = _changed(owner="0b other")
    assert now.wrong == "belongs to another host (other)"
    shell = _stanza(now).shell
    assert shell.rstrip().endswith("exit 1")
    assert "repo-put" not in shell
    assert "repo-rm mattermost-host-owner" in shell


def test_one_without_a_mark_gets_it_before_it_is_tried() -> None:
    for now in (_changed(owner=""), _changed(code=1, owner="")):
        shell = _stanza(now).shell
        assert shell.index("repo-put --raw mattermost-host-owner") < shell.index(" check")


@pytest.mark.parametrize("owner", ["0a", "0a chat"])
def test_its_own_mark_will_do_whatever_the_host_is_called(owner: str) -> None:
    assert _changed(owner=owner).wrong == ""


def test_a_backup_that_failed_is_told_at_once() -> None:
    now = _changed(failed="mattermost-backup-dump.service")
    assert now.old == "failed (mattermost-backup-dump.service)"
    assert f"systemctl start --no-block {SERVICE}" in _recent(now).shell
    assert _changed(failed="mattermost-backup.service", under_way=True).old == ""


def test_none_is_begun_where_a_disk_is_not_mounted() -> None:
    shell = _stanza(_changed(code=1, unmounted="/srv")).shell
    assert "a second repository would begin there" in shell
    assert shell.rstrip().endswith("exit 1")
    assert "stanza-create" not in shell


@pytest.mark.parametrize(
    ("fstab", "said"),
    [
        ("/dev/sda1 / ext4 defaults 0 1\n", ""),
        ("/dev/sdb1 {}/srv ext4 defaults 0 2\n", "{}/srv"),
        ("# /dev/sdb1 {}/srv ext4 defaults 0 2\n/dev/sdc1 {}/srv2 ext4 defaults 0 2\n", ""),
        ("/swapfile none swap sw 0 0\nproc /proc proc defaults 0 0\n", ""),
    ],
)
def test_a_disk_of_fstab_that_is_not_mounted_is_seen(tmp_path: Path, fstab: str, said: str) -> None:
    (tmp_path / "fstab").write_text(fstab.replace("{}", str(tmp_path)))
    (tmp_path / "conf").write_text(f"[global]\nrepo1-path={tmp_path}/srv/backup/database\n")
    places = {"/etc/fstab": tmp_path / "fstab", CONFIGURATION: tmp_path / "conf"}
    done = local.run(local.moved(pgbackrest_state._unmounted(CONFIGURATION), places))
    assert done.stdout == (f"unmounted={said.replace('{}', str(tmp_path))}\n" if said else "")
    assert QUESTION.parse(done.stdout.splitlines()).unmounted == said.replace("{}", str(tmp_path))


def test_what_is_told_where_info_ends_with_an_error_inside() -> None:
    """It ends with 0 then, too."""
    broken = _changed(code=99, message="unable to flush")
    assert broken.wrong == "can't be read: unable to flush"
    shell = _stanza(broken).shell
    assert " check" in shell
    assert "stanza-create" not in shell


@pytest.mark.parametrize(("waiting", "tried"), [(12, False), (13, True)])
def test_segments_that_wait_are_counted(waiting: int, tried: bool) -> None:
    assert (" check" in _stanza(_changed(waiting=waiting)).shell) is tried


@pytest.mark.parametrize(
    ("values", "made"),
    [
        ({"newest": NOW - OLDEST_S}, False),
        ({"newest": NOW - OLDEST_S - 1}, True),
        ({"whole": NOW - OLDEST_S - 1}, True),
        ({"newest": 0}, True),
        ({"whole": 0}, True),
        ({"dumped": 0}, True),
        ({"dumped": NOW - OLDEST_S - 1}, True),
        ({"whole": 0, "under_way": True}, False),
    ],
)
def test_an_old_backup_is_followed_by_one_now(values: dict[str, Any], made: bool) -> None:
    assert (f"systemctl start --no-block {SERVICE}" in _recent(_changed(**values)).shell) is made


def test_files_that_systemd_has_not_read_are_read() -> None:
    shell = _recent(_changed(unread=True)).shell
    assert "daemon-reload" in shell
    assert "systemctl start" not in shell


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({}, ""),
        ({"oldest": NOW - PROVEN_S}, ""),
        ({"oldest": NOW - PROVEN_S - 1}, "never succeeded"),
        ({"oldest": 1, "proven": NOW - PROVEN_S}, ""),
        ({"oldest": 1, "proven": NOW - PROVEN_S - 1}, "succeeded 9 days ago"),
        ({"proven": NOW, "drill_failed": True}, "failed the last time"),
    ],
)
def test_a_drill_that_failed_or_is_long_ago_is_followed_by_one_now(
    values: dict[str, Any], said: str
) -> None:
    now = _changed(**values)
    assert now.unproven == said
    asked = answering({QUESTION: now})
    made = plan(
        lambda: pgbackrest.proven(name="proven", question=QUESTION, unit="drill.service"),
        answer=asked,
    )
    assert ("systemctl start --no-block drill.service" in made.shell) is bool(said)
    assert "daemon-reload" not in made.shell


def test_a_drill_that_systemd_has_not_read_is_read_and_not_run() -> None:
    made = plan(
        lambda: pgbackrest.proven(name="proven", question=QUESTION, unit="drill.service"),
        answer=answering({QUESTION: _changed(drill_unread=True)}),
    )
    assert "systemctl daemon-reload" in made.shell
    assert "systemctl start" not in made.shell
