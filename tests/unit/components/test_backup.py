"""The component backup: off, fresh, converged, one setting at a time."""

import subprocess
from dataclasses import replace

import pytest

from mattermost_host.components import backup
from mattermost_host.components.backup import Settings
from mattermost_host.facts.host import DISK_PATHS, Disk
from mattermost_host.ops import backup_drill, backup_files, backup_target, backup_watch, remains
from mattermost_host.ops.entries import Directory, File
from tests.unit.components.backup_examples import (
    KEY,
    TO,
    TO_HOST,
    TO_S3,
    planned,
    required,
)
from tests.unit.examples import (
    DEBIAN_12,
    ROCKY_9,
    converged,
    files_that_differ,
    mistakes_of,
    place,
)
from tests.unit.fake_host import answering


def test_a_fresh_host() -> None:
    assert planned().changed == [
        "Backup | pgBackRest and restic are installed",
        "Backup | repositories and their settings are in place",
        "Backup | the database is archived",
        "Backup | the nightly backup is described",
        "Backup | the nightly backup is scheduled",
        "Backup | the metrics of backups are scheduled",
        "Backup | a backup was made lately",
        "Backup | the weekly drill is described",
        "Backup | the weekly drill is scheduled",
    ]


def test_a_converged_host_yields_nothing() -> None:
    assert planned(answer=converged(planned())).changed == []


def test_switched_off_it_asks_for_what_is_left_and_removes_that() -> None:
    result = planned(Settings())
    assert result.changed == []
    ours = (*backup_files.OURS, *backup_drill.OURS, *backup_watch.OURS)
    timers = (backup_files.TIMER_FILE, backup_drill.TIMER_FILE, backup_watch.TIMER_FILE)
    left = answering({remains.AskRemains(ours): timers})
    shell = planned(Settings(), answer=left).step("nothing of backups is left").shell
    ended = f"systemctl disable --quiet --now {backup_files.TIMER} {backup_drill.TIMER} "
    assert ended in shell
    assert all(path in shell for path in ours)
    assert "/srv" not in shell


def test_without_drills_what_is_left_of_them_is_removed() -> None:
    left = answering({remains.AskRemains(backup_drill.OURS): (backup_drill.TIMER_FILE,)})
    shell = planned(Settings(to="/srv/backup", drill=False), answer=left).shell
    assert f"systemctl disable --quiet --now {backup_drill.TIMER}\n" in shell


def test_what_is_backed_up_is_closed_to_others() -> None:
    owned = [one for one in planned().entries if isinstance(one, File | Directory)]
    closed = {one.path: (one.mode, one.user, one.group) for one in owned}
    assert closed["/srv/backup/mattermost-host/database"] == ("700", "postgres", "postgres")
    assert closed["/srv/backup/mattermost-host/files"] == ("700", "root", "root")
    assert closed[backup_target.CONFIGURATION] == ("640", "root", "postgres")
    assert closed[backup_target.KEY_FILE] == ("600", "root", "root")
    assert closed[backup_target.PGBACKREST] == ("750", "root", "postgres")


def test_the_key_is_in_two_closed_files_and_in_no_command() -> None:
    result = planned()
    holding = [path for path, content in result.written.items() if KEY.encode() in content]
    assert sorted(holding) == sorted([backup_target.CONFIGURATION, backup_target.KEY_FILE])
    assert KEY not in result.shell


def test_the_repository_is_the_clusters() -> None:
    lines = planned().text(backup_target.CONFIGURATION).splitlines()
    assert "repo1-path=/srv/backup/mattermost-host/database" in lines
    assert "repo1-cipher-type=aes-256-cbc" in lines
    assert "repo1-retention-full=4" in lines
    assert lines[-4:] == [
        "[mattermost]",
        "pg1-path=/var/lib/postgresql/15/main",
        "pg1-port=5432",
        "pg1-socket-path=/var/run/postgresql",
    ]


@pytest.mark.parametrize(
    ("size_mb", "queue"), [(0, 1_024), (5_000, 1_024), (100_000, 10_000), (9_000_000, 65_536)]
)
def test_a_repository_that_is_away_may_fill_a_tenth_of_the_disk(size_mb: int, queue: int) -> None:
    disks = tuple(Disk(path, "/dev/sda1", 1, size_mb) for path in DISK_PATHS)
    text = planned(facts=replace(DEBIAN_12, disks=disks)).text(backup_target.CONFIGURATION)
    assert f"archive-push-queue-max={queue}MiB" in text


def test_more_full_backups_are_three_files() -> None:
    changed = files_that_differ(planned(), planned(Settings(to="/srv/backup", keep_full=8)))
    keeping = (backup_files.BACK_UP_FILES, backup_files.DUMP)
    assert changed == {backup_target.CONFIGURATION, *keeping}
    more = planned(Settings(to="/srv/backup", keep_full=8))
    assert all("--keep-within 63d" in more.text(path) for path in keeping)


def test_postgresql_archives_where_there_is_a_repository() -> None:
    assert backup.parameters(Settings()) == {}
    assert backup.parameters(TO) == {
        "archive_mode": "on",
        "archive_command": "'pgbackrest --stanza=mattermost archive-push %p'",
        "archive_timeout": "60s",
    }


@pytest.mark.parametrize(
    "path",
    [
        backup_files.BACK_UP_DATABASE,
        backup_files.DUMP,
        backup_files.BACK_UP_FILES,
        backup_files.RESTORE,
        backup_drill.PROGRAM,
        backup_target.RESTIC,
        backup_watch.PROGRAM,
    ],
)
def test_the_programs_are_shell(path: str) -> None:
    for settings in (TO, TO_S3, TO_HOST):
        subprocess.run(["sh", "-n"], input=planned(settings).text(path), text=True, check=True)


def test_a_pgbackrest_that_can_not_speak_sftp_is_refused() -> None:
    requirement = required(TO_HOST, "backup-sftp")
    newer = replace(DEBIAN_12, packages=(("pgbackrest", "2.57.0-1.pgdg12+1"),))
    older = replace(DEBIAN_12, packages=(("pgbackrest", "2.45-1"),))
    for facts, verdict in [
        (DEBIAN_12, "error"),
        (older, "error"),
        (newer, "ok"),
        (replace(DEBIAN_12, release="13"), "ok"),
    ]:
        assert [one.verdict for one in requirement.check(facts)] == [verdict]


def test_a_number_alone_is_refused() -> None:
    (found,) = backup.mistakes(Settings(keep_full=3), place())
    assert found.path == "backup.keep_full"
    assert mistakes_of(backup={"to": "/srv/b", "keep_full": 0})


def test_a_key_is_needed_where_there_are_backups() -> None:
    assert backup.secrets(TO, place()).backup_key
    assert not backup.secrets(Settings(), place()).backup_key


def test_a_distribution_without_the_programs_is_refused() -> None:
    requirement = required(TO, "backup-packages")
    assert [one.verdict for one in requirement.check(DEBIAN_12)] == ["ok"]
    assert [one.verdict for one in requirement.check(ROCKY_9)] == ["error"]


def test_its_secret_files_are_declared() -> None:
    paths = [one.path for one in backup.surface(TO, place()).secret_files]
    assert paths == [backup_target.CONFIGURATION, backup_target.KEY_FILE, backup_target.RESTIC]
    assert backup.surface(Settings(), place()).secret_files == ()
