"""Backups on a real host: made, told, closed to others."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lab.deployment import Deployment
from tests.lab.hosts import Lab

PGBACKREST = "cd / && runuser -u postgres -- pgbackrest --stanza=mattermost"
REPOSITORY = "/srv/backup/mattermost-host"
CONFIGURATION = "/etc/pgbackrest/pgbackrest.conf"


@pytest.fixture(scope="module")
def site(lab: Lab, release: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    folder = tmp_path_factory.mktemp("backup")
    made = Deployment(lab, lab.up("backup"), folder, release, backup={"to": "/srv/backup"})
    made.deploy()
    yield made


def _info(site: Deployment) -> dict[str, Any]:
    (stanza,) = json.loads(site.host.run(f"{PGBACKREST} info --output=json").stdout)
    told: dict[str, Any] = stanza
    return told


def _newest(site: Deployment) -> str:
    return str(_info(site)["backup"][-1]["type"])


def _back_up(site: Deployment) -> None:
    site.host.run("systemctl start mattermost-backup")


def test_a_second_run_changes_nothing_and_the_verification_holds(site: Deployment) -> None:
    assert site.deploy().changed == ()
    site.verify("--journey")


def test_both_backups_are_there_and_closed(site: Deployment) -> None:
    assert _info(site)["status"]["code"] == 0
    assert _info(site)["cipher"] == "aes-256-cbc"
    for name, owner in (("database", "postgres"), ("files", "root")):
        shown = site.host.run(f"stat -c '%a %U' {REPOSITORY}/{name}").stdout.split()
        assert shown == ["700", owner]
    said = site.host.run("journalctl -u mattermost-backup -o cat --no-pager").stdout
    assert "backed up: database" in said


def test_the_key_is_in_no_other_file_and_no_journal(site: Deployment) -> None:
    key = site.secrets["backup_key"]
    found = site.host.run(
        "grep -rslF -f /etc/mattermost-host/backup.key /etc /var/log /var/lib /srv /run/log; true"
    ).stdout.split()
    assert sorted(found) == ["/etc/mattermost-host/backup.key", CONFIGURATION]
    assert key not in site.host.run("journalctl -o cat --no-pager").stdout


def test_the_next_one_holds_what_changed(site: Deployment) -> None:
    _back_up(site)
    assert _newest(site) == "incr"


def test_units_are_sandboxed(site: Deployment) -> None:
    for unit in ("mattermost-backup", "mattermost-backup-database"):
        shown = site.host.run(f"systemd-analyze security --no-pager {unit}.service").stdout
        exposure = float(shown.split("Overall exposure level")[1].split(":")[1].split()[0])
        assert exposure <= 2.0, (unit, exposure)
