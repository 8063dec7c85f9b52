"""Backups on a real host: made, told, given up for want of space, and read back by hash."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mattermost_host.ops.pgbackrest_state import MARK
from tests.lab.deployment import Deployment
from tests.lab.hosts import Lab
from tests.lab.kept import Kept, post_with_file, read_back
from tests.lab.runbook import typed
from tests.lab.shell import wait_until

PGBACKREST = "cd / && runuser -u postgres -- pgbackrest --stanza=mattermost"
PSQL = "cd / && runuser -u postgres -- psql -XAtq -d mattermost"
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


def test_a_repository_that_is_away_is_given_up_and_then_begun_again(site: Deployment) -> None:
    """PostgreSQL goes on; the gap is seen; the next backup is a full one."""
    host = site.host
    host.run(
        f"sed -i 's/^archive-push-queue-max=.*/archive-push-queue-max=32MiB/' {CONFIGURATION} &&"
        f" mv {REPOSITORY}/database {REPOSITORY}/away && touch {REPOSITORY}/database"
    )
    write = f"{PSQL} -c 'create table if not exists waste (t text); insert into waste values (1); "
    for _ in range(8):
        host.run(f"{write} ' -c 'select pg_switch_wal()'")
    ready = "ls /var/lib/postgresql/15/main/pg_wal/archive_status | grep -c ready$"
    wait_until(
        lambda: int(host.run(ready, check=False).stdout or 0) <= 3, 150, "changes are given up"
    )
    assert site.status() == 200
    log = host.run("cat /var/log/postgresql/*.log").stdout
    assert "dropped WAL file" in log
    plan = site.run("mattermost-host", "plan", str(site.inventory), check=False)
    assert plan.status != 0
    host.run(
        f"rm {REPOSITORY}/database && mv {REPOSITORY}/away {REPOSITORY}/database &&"
        f" {PSQL} -c 'drop table waste'"
    )
    site.deploy()
    _back_up(site)
    assert _newest(site) == "full"
    assert site.deploy().changed == ()


@pytest.fixture(scope="module")
def kept(site: Deployment) -> Kept:
    return post_with_file(site)


def test_a_post_and_its_file_come_back_by_hash(site: Deployment, kept: Kept) -> None:
    said = site.run(*typed("Back up", site))
    assert "the backup is made" in said.words
    when = site.host.run("sleep 2; date -u '+%Y-%m-%d %H:%M:%S UTC'; sleep 2").stdout.strip()
    site.host.run(
        f"{PSQL} -c \"delete from posts where id = '{kept.post}'\";"
        " find /var/lib/mattermost/data -name kept.bin -delete"
    )
    said = site.run(*typed("Restore", site, words={"$WHEN": when}), "--yes")
    print(said.output)
    assert "everything holds" in said.words
    read_back(site, kept)
    assert _newest(site) in {"full", "incr"}
    assert site.deploy().changed == ()


def test_a_later_moment_after_a_restore_comes_back_too(site: Deployment, kept: Kept) -> None:
    """Without a time: the last that was archived, on the line of the restore before."""
    site.host.run(f"{PSQL} -c 'create table later (t text); alter table later owner to mattermost'")
    site.run("mattermost-host", "restore", str(site.inventory), "--yes")
    assert "later" in site.host.run(f"{PSQL} -c '\\dt later'").stdout
    site.host.run(f"{PSQL} -c 'drop table later'")
    read_back(site, kept)
    site.verify()


def test_a_damaged_backup_leaves_the_old_state_at_work(site: Deployment, kept: Kept) -> None:
    """It shows in the middle of the restore only."""
    host, damaged = site.host, f"find {REPOSITORY}/database/backup -path '*/pg_data/PG_VERSION*'"
    host.run(f"{damaged} -exec mv {{}} {{}}.away ';'")
    failed = site.run("mattermost-host", "restore", str(site.inventory), "--yes", check=False)
    assert failed.status == 1
    assert "the old state is put back" in failed.words
    site.wait_healthy()
    read_back(site, kept)
    away = f"{damaged} -name '*.away' -print0 | xargs -0 -n 1 sh -c 'mv \"$0\" \"${{0%.away}}\"'"
    host.run(away)
    assert site.deploy().changed == ()


@pytest.mark.parametrize(
    ("when", "said"),
    [
        ("2020-01-01", "the first backup ended at"),
        ("2999-01-01", "is in the future"),
        ("yesterdax", "is no time"),
    ],
)
def test_a_time_that_no_backup_has_is_refused(site: Deployment, when: str, said: str) -> None:
    started = site.started()
    typed = ("mattermost-host", "restore", str(site.inventory), "--to-time", when, "--yes")
    refused = site.run(*typed, check=False)
    assert refused.status == 1
    assert said in refused.words
    assert "Nothing was changed" in refused.words
    assert site.started() == started


def test_a_folder_that_two_hosts_share_is_refused_before_a_change(site: Deployment) -> None:
    """As a network's may be: seen by preflight and plan with the facts, and by the verification."""
    host, mark = site.host, f"{REPOSITORY}/database/{MARK}"
    host.run(f"cp -p {mark} /root/mark && echo '0b other' >{mark}")
    for command in ("preflight", "plan", "verify"):
        said = site.run("mattermost-host", command, str(site.inventory), check=False)
        assert said.status == 1
        assert "belongs to another host (other)" in said.words
    assert "Two hosts in one would make both unusable" in site.deploy(check=False).words
    host.run(f"mv /root/mark {mark}")
    assert site.deploy().changed == ()


def test_another_databases_repository_is_refused(site: Deployment) -> None:
    """Of the same major version: a copy of this one with another identifier."""
    host, data = site.host, "/var/lib/postgresql/15/main"
    host.run(
        f"systemctl stop mattermost postgresql@15-main && mv {data} {data}.mine &&"
        " runuser -u postgres -- /usr/lib/postgresql/15/bin/initdb -D "
        f"{data} >/dev/null"
    )
    refused = site.run("mattermost-host", "restore", str(site.inventory), "--yes", check=False)
    assert refused.status == 1
    assert "it holds another database" in refused.words
    host.run(f"rm -r {data} && mv {data}.mine {data}")
    assert site.deploy().changed
    site.verify()
