"""What tells whose a repository of backups is: asked only of sites that have one, and only read."""

import base64
import os
import time
from pathlib import Path

import pytest

from mattermost_host.facts.backups import NO_BACKUPS, BackupFacts
from mattermost_host.facts.questions import SCRIPT, AskHost
from mattermost_host.ops.backup_files import STANZA
from mattermost_host.ops.backup_target import RESTIC
from mattermost_host.ops.pgbackrest_state import MARK
from tests.unit import local

ROOT = os.geteuid() == 0
SYSTEM = 7_421_000_000_000_000_001


def _cluster(data: Path) -> None:
    (data / "global").mkdir(parents=True)
    (data / "global" / "pg_control").write_bytes(SYSTEM.to_bytes(8, "little") + bytes(8_184))


def _asked(folder: Path, backup: str) -> BackupFacts:
    (folder / "machine-id").write_text("0123456789abcdef\n")
    places = {
        "/etc/machine-id": folder / "machine-id",
        "/etc/postgresql": folder / "settings",
        "/var/lib/postgresql": folder / "postgresql",
        "/var/lib/pgsql": folder / "pgsql",
        RESTIC: folder / "restic.env",
    }
    fields = local.ask_here(AskHost("backups", "x", backup), None, places)
    assert fields is not None
    found: BackupFacts = fields["backups"]
    return found


def test_a_site_without_backups_is_not_asked(tmp_path: Path) -> None:
    _cluster(tmp_path / "postgresql" / "15" / "main")
    assert _asked(tmp_path, "") == NO_BACKUPS


@pytest.mark.skipif(not ROOT, reason="only root reads with the rights of a folder's owner")
class TestRepository:
    """A repository in a folder, and the databases of the host."""

    def test_databases_are_found_where_they_are(self, tmp_path: Path) -> None:
        _cluster(tmp_path / "postgresql" / "15" / "main")
        elsewhere = tmp_path / "settings" / "17" / "main"
        elsewhere.mkdir(parents=True)
        (elsewhere / "postgresql.conf").write_text(f"data_directory = '{tmp_path / 'disk'}'\n")
        _cluster(tmp_path / "disk")
        found = _asked(tmp_path, "s3://backups")
        assert found == BackupFacts("0123456789abcdef", (str(SYSTEM), str(SYSTEM)))

    def test_mark_and_database_of_a_folder(self, tmp_path: Path) -> None:
        repository = tmp_path / "srv" / "mattermost-host" / "database"
        (repository / "archive" / STANZA).mkdir(parents=True)
        (repository / "archive" / STANZA / "archive.info").write_bytes(b"Salted__\0\1")
        (repository / MARK).write_text("0b other\nmachine injected\n")
        (tmp_path / "restic.env").write_text("")
        tmp_path.chmod(0o711)
        found = _asked(tmp_path, str(tmp_path / "srv"))
        assert found.machine == "0123456789abcdef"
        assert found.mark == "0b other"
        assert base64.b64decode(found.info) == b"Salted__\0\1"
        assert found.settings.startswith("e3b0c442")

    def test_it_is_read_with_its_owners_rights_and_a_pipe_holds_nobody_up(
        self, tmp_path: Path
    ) -> None:
        repository = tmp_path / "srv" / "mattermost-host" / "database"
        (repository / "archive" / STANZA).mkdir(parents=True)
        secret = tmp_path / "secret"
        secret.write_text("only root's\n")
        secret.chmod(0o600)
        (repository / MARK).symlink_to(secret)
        os.mkfifo(repository / "archive" / STANZA / "archive.info")
        for one in (repository, *repository.rglob("*")):
            os.chown(one, 65534, 65534, follow_symlinks=False)
        for one in (tmp_path, *tmp_path.parents[:-2]):
            one.chmod(0o711)
        began = time.monotonic()
        found = _asked(tmp_path, str(tmp_path / "srv"))
        assert time.monotonic() - began < 20
        assert (found.mark, found.info) == ("", "")


def test_the_script_knows_our_names() -> None:
    assert f"archive/{STANZA}/archive.info" in SCRIPT
    assert f'/{MARK}"' in SCRIPT
    assert RESTIC in SCRIPT
