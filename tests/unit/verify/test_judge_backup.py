"""The verification's verdicts on backups: every check is seen to fail."""

from dataclasses import replace

from mattermost_host.ops import backup_files
from mattermost_host.ops.backup_made import OLDEST_S
from mattermost_host.ops.pgbackrest_state import Repository
from mattermost_host.preflight.backup import disk
from tests.host import judge_backup as judge
from tests.host.questions import UnitStatus
from tests.unit.examples import DEBIAN_12

GOOD = Repository(
    code=0,
    system="7",
    own="7",
    newest=1_000,
    whole=1_000,
    dumped=1_000,
    now=2_000,
    machine="0a",
    owner="0a chat",
)


def test_good_backups_hold() -> None:
    timer = {backup_files.TIMER: UnitStatus("loaded", "active", "enabled")}
    assert [
        *judge.archived(GOOD),
        *judge.recent(GOOD),
        *judge.scheduled(timer, backup_files.TIMER),
        *judge.proven(GOOD),
    ] == []


def test_each_is_seen_to_fail() -> None:
    (said,) = judge.archived(replace(GOOD, system="6"))
    assert "another database's (6, here is 7)" in said
    (said,) = judge.archived(replace(GOOD, owner="0b other"))
    assert "belongs to another host (other)" in said
    (said,) = judge.recent(replace(GOOD, failed="mattermost-backup.service"))
    assert "that it failed (mattermost-backup.service)" in said
    (said,) = judge.archived(replace(GOOD, waiting=200))
    assert "200 segments wait" in said
    (said,) = judge.recent(replace(GOOD, now=1_000 + OLDEST_S + 3_600))
    assert "31 hours old" in said
    for missing in (replace(GOOD, whole=0), replace(GOOD, dumped=0)):
        (said,) = judge.recent(missing)
        assert "never made" in said
    (said,) = judge.proven(replace(GOOD, drill_failed=True))
    assert "failed the last time" in said
    assert list(judge.scheduled({}, backup_files.TIMER)) != []


def test_a_disk_that_is_not_mounted_fails_and_the_databases_own_is_reported() -> None:
    """By the findings of the preflight, so that plan and verification say the same."""
    check = disk("/srv/backup").check
    away = tuple(check(replace(DEBIAN_12, unmounted=("/srv",))))
    (said,) = judge.mounted(away)
    assert "names a disk for /srv, and nothing is mounted there" in said
    assert "Mount /srv, or correct /etc/fstab" in said
    assert list(judge.shared_disk(away)) == []
    same = tuple(check(replace(DEBIAN_12, mounts=(("/", "/dev/sda1"),))))
    (said,) = judge.shared_disk(same)
    assert said.startswith("/srv/backup is on the same file system as the database. What takes")
    assert list(judge.mounted(same)) == []
    mounts = (("/", "/dev/sda1"), ("/srv", "/dev/sdb1"))
    other = tuple(check(replace(DEBIAN_12, mounts=mounts)))
    assert [*judge.mounted(other), *judge.shared_disk(other)] == []
