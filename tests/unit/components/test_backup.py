"""The component backup: off, fresh, converged, one setting at a time."""

import subprocess
from dataclasses import replace
from typing import Any

import pytest
from pydantic import SecretStr

from mattermost_host.components import backup
from mattermost_host.components.backup import Settings
from mattermost_host.facts.host import DISK_PATHS, Disk, HostFacts
from mattermost_host.knowledge.families import DEBIAN
from mattermost_host.ops import backup_drill, backup_files, remains
from mattermost_host.ops.entries import Directory, File
from tests.unit.examples import DEBIAN_12, ROCKY_9, converged, files_that_differ, mistakes_of, place
from tests.unit.fake_host import Answer, Plan, answering, nothing_installed, plan

KEY = "Key-of-all-backups"
CLUSTER = DEBIAN.cluster(15)
SERVER = backup_files.Server("mattermost", "/var/lib/mattermost", "http://127.0.0.1:8065/ping")
KEPT = ("/etc/mattermost-host", "/var/lib/mattermost/data")
TO = Settings(to="/srv/backup")
REFUSED = [
    "/",
    "/etc",
    "/etc/backup",
    "/usr/local",
    "/tmp/b",
    "/var/lib/postgresql/b",
    "/var/log",
    "srv",
    "/srv/../etc",
    "/srv/",
    "/srv/a$b",
    "/srv/$(id)",
    "/srv//b",
    "s3://bucket",
    "host:/b",
    "/opt/mattermost/backup",
]


def _deployed(settings: Settings, facts: HostFacts) -> None:
    parts: Any = backup
    parts.deploy(settings, facts, cluster=CLUSTER, key=SecretStr(KEY))
    parts.schedule(settings, cluster=CLUSTER, kept=KEPT, server=SERVER)
    parts.prove(settings, cluster=CLUSTER, server=SERVER)


def _plan(
    settings: Settings = TO, facts: HostFacts = DEBIAN_12, answer: Answer = nothing_installed
) -> Plan:
    return plan(lambda: _deployed(settings, facts), answer=answer)


def test_a_fresh_host() -> None:
    assert _plan().changed == [
        "Backup | pgBackRest and restic are installed",
        "Backup | repositories and their settings are in place",
        "Backup | the database is archived",
        "Backup | the nightly backup is described",
        "Backup | the nightly backup is scheduled",
        "Backup | a backup was made lately",
        "Backup | the weekly drill is described",
        "Backup | the weekly drill is scheduled",
    ]


def test_a_converged_host_yields_nothing() -> None:
    assert _plan(answer=converged(_plan())).changed == []


def test_switched_off_it_asks_for_what_is_left_and_removes_that() -> None:
    result = _plan(Settings())
    assert result.changed == []
    ours = (*backup_files.OURS, *backup_drill.OURS)
    timers = (backup_files.TIMER_FILE, backup_drill.TIMER_FILE)
    left = answering({remains.AskRemains(ours): timers})
    shell = _plan(Settings(), answer=left).step("nothing of backups is left").shell
    ended = f"systemctl disable --quiet --now {backup_files.TIMER} {backup_drill.TIMER}"
    assert ended in shell
    assert all(path in shell for path in ours)
    assert "/srv" not in shell


def test_without_drills_what_is_left_of_them_is_removed() -> None:
    left = answering({remains.AskRemains(backup_drill.OURS): (backup_drill.TIMER_FILE,)})
    shell = _plan(Settings(to="/srv/backup", drill=False), answer=left).shell
    assert f"systemctl disable --quiet --now {backup_drill.TIMER}\n" in shell


def test_what_is_backed_up_is_closed_to_others() -> None:
    owned = [one for one in _plan().entries if isinstance(one, File | Directory)]
    closed = {one.path: (one.mode, one.user, one.group) for one in owned}
    assert closed["/srv/backup/mattermost-host/database"] == ("700", "postgres", "postgres")
    assert closed["/srv/backup/mattermost-host/files"] == ("700", "root", "root")
    assert closed[backup_files.CONFIGURATION] == ("640", "root", "postgres")
    assert closed[backup_files.KEY_FILE] == ("600", "root", "root")
    assert closed[backup_files.FOLDER] == ("750", "root", "postgres")


def test_the_key_is_in_two_closed_files_and_in_no_command() -> None:
    result = _plan()
    holding = [path for path, content in result.written.items() if KEY.encode() in content]
    assert sorted(holding) == sorted([backup_files.CONFIGURATION, backup_files.KEY_FILE])
    assert KEY not in result.shell


def test_the_repository_is_the_clusters() -> None:
    lines = _plan().text(backup_files.CONFIGURATION).splitlines()
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
    text = _plan(facts=replace(DEBIAN_12, disks=disks)).text(backup_files.CONFIGURATION)
    assert f"archive-push-queue-max={queue}MiB" in text


def test_more_full_backups_are_three_files() -> None:
    changed = files_that_differ(_plan(), _plan(Settings(to="/srv/backup", keep_full=8)))
    keeping = (backup_files.BACK_UP_FILES, backup_files.DUMP)
    assert changed == {backup_files.CONFIGURATION, *keeping}
    more = _plan(Settings(to="/srv/backup", keep_full=8))
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
    ],
)
def test_the_programs_are_shell(path: str) -> None:
    subprocess.run(["sh", "-n"], input=_plan().text(path), text=True, check=True)


@pytest.mark.parametrize("to", REFUSED)
def test_a_folder_of_the_system_or_an_odd_name_is_refused(to: str) -> None:
    found = list(backup.mistakes(Settings(to=to), place()))
    assert [one.path for one in found] == ["backup.to"]
    assert "such as /srv/backup" in str(found[0])


@pytest.mark.parametrize("to", ["/srv/backup", "/backup", "/mnt/nas_1/chat.example.com"])
def test_other_folders_will_do(to: str) -> None:
    assert list(backup.mistakes(Settings(to=to), place())) == []


def test_a_number_alone_is_refused() -> None:
    (found,) = backup.mistakes(Settings(keep_full=3), place())
    assert found.path == "backup.keep_full"
    assert mistakes_of(backup={"to": "/srv/b", "keep_full": 0})


def test_a_key_is_needed_where_there_are_backups() -> None:
    assert backup.secrets(TO, place()).backup_key
    assert not backup.secrets(Settings(), place()).backup_key


def test_a_distribution_without_the_programs_is_refused() -> None:
    (requirement,) = backup.requires(TO, place())
    assert [one.verdict for one in requirement.check(DEBIAN_12)] == ["ok"]
    assert [one.verdict for one in requirement.check(ROCKY_9)] == ["error"]


def test_its_secret_files_are_declared() -> None:
    paths = [one.path for one in backup.surface(TO, place()).secret_files]
    assert paths == [backup_files.CONFIGURATION, backup_files.KEY_FILE]
    assert backup.surface(Settings(), place()).secret_files == ()
