"""What backups need of a host's disks."""

from dataclasses import replace

import pytest

from mattermost_host.preflight.backup import disk
from mattermost_host.preflight.finding import Finding
from tests.unit.examples import DEBIAN_12, ROCKY_9

ROOT = ("/", "/dev/sda1")
DATA = "/var/lib/postgresql"


def _found(folder: str = "/srv/backup", **facts: object) -> Finding:
    (found,) = disk(folder).check(replace(DEBIAN_12, **facts))  # type: ignore[arg-type]
    return found


@pytest.mark.parametrize(
    ("mounts", "verdict"),
    [
        ((ROOT,), "warning"),
        ((ROOT, ("/srv", "/dev/sdb1")), "ok"),
        ((ROOT, ("/srv/backup", "nas:/backup")), "ok"),
        # Of two at one place the later one counts.
        ((ROOT, ("/srv", "/dev/sdb1"), ("/srv", "/dev/sda1")), "warning"),
        ((ROOT, ("/srv2", "/dev/sdb1")), "warning"),
        ((ROOT, (DATA, "/dev/sdb1")), "ok"),
        ((ROOT, (DATA, "/dev/sdb1"), ("/srv", "/dev/sdb1")), "warning"),
    ],
)
def test_the_disk_of_the_database_is_warned_of(
    mounts: tuple[tuple[str, str], ...], verdict: str
) -> None:
    found = _found(mounts=mounts)
    assert found.verdict == verdict
    if verdict == "warning":
        assert found.found == "/srv/backup is on the same file system as the database"
        assert "Name another place as backup.to" in found.remedy


def test_each_familys_database_is_where_it_has_it() -> None:
    mounts = (ROOT, ("/var/lib/pgsql", "/dev/sdb1"), ("/srv", "/dev/sdb1"))
    (found,) = disk("/srv/backup").check(replace(ROCKY_9, mounts=mounts))
    assert (found.verdict, _found(mounts=mounts).verdict) == ("warning", "ok")


@pytest.mark.parametrize(
    ("unmounted", "folder", "verdict"),
    [
        ("/srv", "/srv/backup", "error"),
        ("/srv/backup", "/srv/backup", "error"),
        ("/srv/backup/old", "/srv/backup", "ok"),
        ("/srv/back", "/srv/backup", "ok"),
        ("/mnt/nas", "/mnt/nas/chat", "error"),
    ],
)
def test_a_disk_that_is_not_mounted_is_refused(unmounted: str, folder: str, verdict: str) -> None:
    """Otherwise a second repository begins below the mount point."""
    mounts = (ROOT, (DATA, "/dev/sdb1"))
    found = _found(folder, mounts=mounts, unmounted=(unmounted,))
    assert found.verdict == verdict
    if verdict == "error":
        assert (
            found.found == f"/etc/fstab names a disk for {unmounted}, and nothing is mounted there"
        )
        assert found.remedy.startswith(f"Mount {unmounted}, or correct /etc/fstab: ")
