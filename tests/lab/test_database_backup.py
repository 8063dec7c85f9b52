"""A database on three hosts, backed up into a bucket by whichever leads, and brought back."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mattermost_host.ops.pgbackrest_member import NOT_LEADING
from mattermost_host.ops.pgbackrest_state import MARK
from tests.lab import kept
from tests.lab.deployment import ROOT
from tests.lab.hosts import Lab, LabHost
from tests.lab.kept import Kept
from tests.lab.many import ManyHosts, booted
from tests.lab.runbook import blocks
from tests.lab.s3 import S3
from tests.lab.shell import wait_until

DOCUMENT = ROOT / "docs/high-availability.md"
RESTORE = "Restore a database on several hosts"
PGBACKREST = "cd / && runuser -u postgres -- pgbackrest --stanza=mattermost"
PSQL = "cd / && runuser -u postgres -- psql -XAtq"
DATA = "/var/lib/postgresql/*/main"
METRICS = "/var/lib/prometheus/node-exporter"
TAKEN_OVER_S = 90.0


@dataclass(frozen=True)
class Backed:
    """A site that is backed up into a bucket."""

    site: ManyHosts
    s3: S3


@pytest.fixture(scope="module", params=["trixie", "bookworm"])
def backed(
    lab: Lab, release: Path, tmp_path_factory: pytest.TempPathFactory, request: Any
) -> Iterator[Backed]:
    folder = tmp_path_factory.mktemp("many")
    s3 = S3(lab)
    site = booted(lab, folder, release, request.param, backup=s3.settings(folder))
    site.secrets_file.touch(mode=0o600)
    site.secrets_file.write_text(s3.secrets, encoding="utf-8")
    site.deploy()
    yield Backed(site, s3)
    for one in (*lab.hosts.values(),):
        lab.down(one)


def _info(host: LabHost) -> dict[str, Any]:
    (stanza,) = json.loads(host.run(f"{PGBACKREST} info --output=json").stdout)
    told: dict[str, Any] = stanza
    return told


def _segments(host: LabHost) -> set[str]:
    listed = host.run(f"{PGBACKREST} repo-ls --recurse archive/mattermost").stdout.split()
    return {one.rpartition("/")[2][:24] for one in listed}


def _leads(site: ManyHosts) -> LabHost | None:
    return next((one.host for one in site.members() if one.role == "Leader"), None)


def _archived(leader: LabHost) -> None:
    """What is written now arrives in the archive."""
    # Without a record since the last switch there would be none.
    leader.run(f"{PSQL} -c \"select pg_create_restore_point('here')\"")
    name = leader.run(f"{PSQL} -c 'select pg_walfile_name(pg_switch_wal())'").stdout.strip()
    wait_until(lambda: name in _segments(leader), 60, f"{name} is archived", 2)


def test_a_second_run_changes_nothing_and_the_verification_holds(backed: Backed) -> None:
    assert backed.site.deploy().changed == ()
    backed.site.verify("--journey")
    told = _info(backed.site.leader)
    assert (told["status"]["code"], told["cipher"]) == (0, "aes-256-cbc")
    _archived(backed.site.leader)
    there = backed.s3.host.run("ls /srv/s3/backups/chat/mattermost-host").stdout.split()
    assert sorted(there) == ["database", "dumps", "files"]


def test_members_have_one_key_and_no_secret_is_elsewhere(backed: Backed) -> None:
    site, key = backed.site, backed.site.secrets["backup_key"]
    allowed = {
        "/etc/pgbackrest/pgbackrest.conf",
        "/etc/mattermost-host/backup.key",
        "/etc/mattermost-host/restic.env",
    }
    for host in (*site.databases, site.host):
        for name in ("backup_key", "backup_s3_secret_key"):
            host.write("/run/secret", site.secrets[name])
            found = host.run("grep -rslF -f /run/secret /etc /var/log /var/lib /run/log; true")
            assert set(found.stdout.split()) <= allowed, host.name
            assert site.secrets[name] not in host.run("journalctl -o cat --no-pager").stdout
        host.run("rm /run/secret")
        assert host.read("/etc/mattermost-host/backup.key").strip() == key


def test_only_the_leader_backs_up(backed: Backed) -> None:
    site, before = backed.site, len(_info(backed.site.leader)["backup"])
    for host in site.followers:
        journal = "journalctl -u 'mattermost-backup-d*' --since \"@$began\" -o cat --no-pager"
        said = host.run(
            f"began=$(date +%s); systemctl start mattermost-backup-dump; {journal}"
        ).stdout
        assert said.count(NOT_LEADING) == 2
    assert len(_info(site.leader)["backup"]) == before


def test_the_leader_is_lost_and_the_next_one_backs_up(backed: Backed) -> None:
    """The archive goes on, without a gap; each member tells of the new backup."""
    site, lost = backed.site, backed.site.leader
    _archived(lost)
    site.lab.crash(lost)
    led: list[LabHost | None] = [None]

    def taken_over() -> bool:
        led[0] = _leads(site)
        return led[0] not in (None, lost)

    wait_until(taken_over, TAKEN_OVER_S, "another one leads", 1)
    leader = led[0]
    assert leader
    kept.post_with_file(site, "second-leader")
    _archived(leader)
    said = site.run("mattermost-host", "backup", str(site.inventory))
    print(said.output)
    assert "The backup is made" in said.words
    newest = _info(leader)["backup"][-1]
    assert newest["type"] == "incr"
    site.lab.start(lost)
    # What comes back is rewound, and waits until somebody has written as far as it had.
    _archived(leader)
    site.wait_whole()
    assert site.deploy().changed == ()
    site.verify()
    for host in site.databases:
        host.run(f"mkdir -p {METRICS} && systemctl start mattermost-host-backup-metrics")
        told = host.read(f"{METRICS}/mattermost-host-backup.prom")
        at = newest["timestamp"]["stop"]
        assert f'finished_timestamp_seconds{{kind="database"}} {at}' in told, host.name


def test_another_sites_repository_is_refused(backed: Backed) -> None:
    site, leader = backed.site, backed.site.leader
    mark = leader.run(f"{PGBACKREST} repo-get --raw {MARK}").stdout
    leader.run(f"echo '0b other' | ({PGBACKREST} repo-put --raw {MARK})")
    assert leader.run("systemctl start mattermost-backup-database", check=False).returncode
    plan = site.run("mattermost-host", "plan", str(site.inventory), check=False)
    said = "the repository of backups belongs to another site (other)"
    assert plan.words.count(said) == len(site.databases)
    refused = site.deploy(check=False)
    assert "Two sites in one would make both unusable" in refused.words
    leader.run(f"{PGBACKREST} repo-put --raw {MARK}", stdin=mark)
    assert site.deploy().changed
    assert site.deploy().changed == ()


def test_it_comes_back_as_it_was_at_a_time(backed: Backed) -> None:
    """By the commands of the document, after a DELETE that all members have repeated."""
    site, leader = backed.site, backed.site.leader
    post = kept.post_with_file(site)
    site.host.run("systemctl start mattermost-backup")
    when = leader.run("sleep 2; date -u '+%Y-%m-%d %H:%M:%S+00'; sleep 2").stdout.strip()
    leader.run(f"{PSQL} -d mattermost -c \"delete from posts where id = '{post.post}'\"")
    site.host.run("find /var/lib/mattermost/data -name kept.bin -delete")
    refused = site.run("mattermost-host", "restore", str(site.inventory), "--yes", check=False)
    assert f"docs/high-availability.md, “{RESTORE}”" in refused.words
    _restore(site, leader, when)
    _read_back(site, post)
    assert site.deploy().changed == ()
    site.verify("--journey")
    _archived(site.leader)
    assert _info(leader)["backup"][-1]["type"] == "full"


def _restore(site: ManyHosts, leader: LabHost, when: str) -> None:
    stopped, archived, left, recovered, forgotten, copied, files, full = blocks(DOCUMENT, RESTORE)
    others = [one for one in site.databases if one != leader]
    site.host.run(stopped)
    leader.run(archived)
    for host in (*others, leader):
        host.run(left)
    print(leader.run(recovered.replace("$WHEN", when)).stdout)
    print(leader.run(forgotten).stdout)
    wait_until(lambda: _leads(site) == leader, TAKEN_OVER_S, "the restored one leads", 1)
    for host in others:
        host.run(copied)
    site.wait_whole()
    site.host.run(files.replace("$SNAPSHOT", "latest"))
    site.deploy()
    leader.run(full)


def _read_back(site: ManyHosts, post: Kept) -> None:
    wait_until(lambda: site.status() == 200, 60, "the server answers", 1)
    kept.read_back(site, post)
