"""The deploys of a restore onto a new host: what they leave to the deploy that follows."""

from pathlib import Path
from typing import Any

import pytest

from mattermost_host.ops import backup_files, backup_target
from tests.unit.fake_host import Plan
from tests.unit.site.whole import planned

BACKUP: dict[str, Any] = {"backup": {"to": "/srv/backup"}}
PARAMETERS = "/etc/postgresql/15/main/conf.d/mattermost-host.conf"


def _plan(deploy: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    return planned(BACKUP, folder, monkeypatch, deploy=deploy)


def test_a_look_brings_no_repository_and_no_unit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder at backup.to would look like a repository that is in use."""
    look = _plan("restore_look.py", tmp_path, monkeypatch)
    assert [name.partition(" | ")[0] for name in look.changed] == ["Backup", "Backup"]
    assert set(look.written) == {
        backup_target.CONFIGURATION,
        backup_target.KEY_FILE,
        backup_target.RESTIC,
        backup_files.RESTORE,
    }
    assert not any(one.path.startswith("/srv") for one in look.entries)


def test_a_database_that_is_to_be_restored_does_not_archive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither into the lost host's repository nor into one that would stay the empty cluster's."""
    host = _plan("restore_host.py", tmp_path, monkeypatch)
    assert "archive" not in host.text(PARAMETERS)
    site = _plan("site.py", tmp_path, monkeypatch)
    assert "archive_mode = on" in site.text(PARAMETERS)
    assert not any("mattermost.service" in path for path in host.written)
