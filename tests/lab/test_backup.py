"""Backups on a real host: made, told, and read back by hand as docs/operations.md says."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.deployment import Deployment
from tests.lab.hosts import Lab

PGBACKREST = "cd / && runuser -u postgres -- pgbackrest --stanza=mattermost"


@pytest.fixture(scope="module")
def site(lab: Lab, release: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    folder = tmp_path_factory.mktemp("backup")
    made = Deployment(lab, lab.up("backup"), folder, release, backup={"to": "/srv/backup"})
    made.deploy()
    yield made


def test_a_second_run_changes_nothing(site: Deployment) -> None:
    assert site.deploy().changed == ()


def test_both_backups_are_there_and_closed(site: Deployment) -> None:
    told = site.host.run(f"{PGBACKREST} info").stdout
    assert "full backup" in told
    assert "cipher: aes-256-cbc" in told
    for name, owner in (("database", "postgres"), ("files", "root")):
        where = f"/srv/backup/mattermost-host/{name}"
        assert site.host.run(f"stat -c '%a %U' {where}").stdout.split() == ["700", owner]
    said = site.host.run("journalctl -u mattermost-backup -o cat --no-pager").stdout
    assert "backed up: database" in said
