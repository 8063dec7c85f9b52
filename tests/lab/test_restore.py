"""The host is lost: another one is made of the inventory, the secrets file and the backups."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.lab.deployment import Deployment
from tests.lab.hosts import Lab, LabHost
from tests.lab.kept import LOST, Kept, copy, post_with_file, read_back, restored
from tests.lab.runbook import typed
from tests.lab.shell import wait_until

PSQL = "cd / && runuser -u postgres -- psql -XAtq -d mattermost"
DATABASE = f"{LOST}/mattermost-host/database"
FILES = f"{LOST}/mattermost-host/files"
DIGEST = f"find {LOST} -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum"


@dataclass(frozen=True)
class Lost:
    """A site whose host is gone; its inventory names an empty host, which has the backups."""

    site: Deployment
    before: Kept
    """Older than the last backup."""
    after: Kept
    """Only in what was archived since; its file only in the host's own folder."""


def archived(host: LabHost) -> None:
    """Everything that was written so far is in the archive."""
    host.run(f"{PSQL} -c 'select pg_switch_wal()'")
    ready = "ls /var/lib/postgresql/15/main/pg_wal/archive_status | grep -c ready$"
    wait_until(lambda: host.run(ready, check=False).stdout.strip() == "0", 60, "all is archived")


@pytest.fixture(scope="module")
def lost(lab: Lab, release: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lost]:
    folder = tmp_path_factory.mktemp("restore")
    host = lab.up("first")
    site = Deployment(lab, host, folder, release, backup={"to": "/srv/backup"})
    site.deploy()
    before = post_with_file(site, "before")
    site.run("mattermost-host", "backup", str(site.inventory))
    after = post_with_file(site, "after")
    archived(host)
    spare = lab.up("spare")
    # Another number for the account than on the lost host.
    spare.run("useradd --system other && useradd --system another")
    copy(host, spare, "/srv/backup", LOST)
    lab.crash(host)
    for name in (site.name, "other.test"):
        lab.resolve(name, spare)
    site.host = spare
    site.write()
    yield Lost(site, before, after)


@contextmanager
def changed(host: LabHost, there: str, back: str) -> Iterator[None]:
    """Something wrong with the copy, for the time of a block."""
    host.run(there)
    try:
        yield
    finally:
        host.run(back)


def _largest(folder: str) -> str:
    return f"$(find {folder} -type f -size +1k | sort | tail -n 1)"


DAMAGED = [
    (f"mv {FILES}/config {FILES}/.away", f"mv {FILES}/.away {FILES}/config", "has no"),
    (f"mv {FILES}/data {FILES}/away", f"mv {FILES}/away {FILES}/data", "are damaged or incomplete"),
    (
        f"f={_largest(f'{DATABASE}/backup/mattermost/*F/pg_data')}; cp -a $f /root/f; echo $f"
        " >/root/name; truncate -s -16 $f",
        "cp -a /root/f $(cat /root/name)",
        "of the database is incomplete",
    ),
    (
        f"mkdir /root/a; mv {DATABASE}/archive/mattermost/15-1/*/*-*.zst /root/a",
        f"mv /root/a/* {DATABASE}/archive/mattermost/15-1/*/; rmdir /root/a",
        "the archive lacks",
    ),
    (
        f"chown -R root: {DATABASE}",
        f"chown -R postgres: {DATABASE}",
        "the account postgres can't read",
    ),
    (
        f"cp -a {DATABASE}/backup/mattermost /root/i; truncate -s 100"
        f" {DATABASE}/backup/mattermost/backup.info*",
        f"rm -r {DATABASE}/backup/mattermost; mv /root/i {DATABASE}/backup/mattermost",
        "the repository of the database can't be used",
    ),
]


@pytest.mark.parametrize(("there", "back", "said"), DAMAGED)
def test_a_copy_that_is_not_whole_is_refused(lost: Lost, there: str, back: str, said: str) -> None:
    with changed(lost.site.host, there, back):
        _refused(lost.site, said)


def _refused(site: Deployment, said: str, *options: str, folder: str = LOST) -> None:
    words = restored(site, folder, *options, check=False)
    assert words.startswith("refused: ")
    assert "Nothing was changed" in words
    assert said in words
    # The host has what looks into a backup, and nothing of a site.
    assert site.host.run("ls /opt/mattermost /var/lib/mattermost", check=False).returncode
    assert site.host.run("ls -A /var/lib/postgresql").stdout.split() == []


def test_another_key_is_refused(lost: Lost) -> None:
    file = lost.site.secrets_file
    right = file.read_text(encoding="utf-8")
    file.write_text(right.replace(lost.site.secrets["backup_key"], "Other-Key"), encoding="utf-8")
    try:
        _refused(lost.site, "its key is another one")
    finally:
        file.write_text(right, encoding="utf-8")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda site: site.update(url="https://other.test"), "it is the backup of https://"),
        (
            lambda site: site["mattermost"]["release"].update(version="10.11.0"),
            "would get 10.11.0: state version",
        ),
    ],
)
def test_another_site_or_release_is_refused(
    lost: Lost, change: Callable[[dict[str, object]], None], said: str
) -> None:
    right, site = lost.site.inventory.read_text(encoding="utf-8"), lost.site
    kept = {**site.site, "mattermost": {"release": dict(site.site["mattermost"]["release"])}}
    now, site.site = site.site, kept
    change(site.site)
    site.write()
    try:
        _refused(site, said)
    finally:
        site.site = now
        site.inventory.write_text(right, encoding="utf-8")


def test_the_lost_hosts_own_place_is_refused(lost: Lost) -> None:
    """Where backup.to is, the new host would write into the lost one's repository."""
    there = f"mv {LOST}/mattermost-host /srv/backup/"
    back = f"mv /srv/backup/mattermost-host {LOST}/"
    with changed(lost.site.host, there, back):
        _refused(lost.site, "two hosts must never share one", folder="/srv/backup")


@pytest.mark.parametrize(
    ("when", "said"), [("2020-01-01", "the first backup ended at"), ("2999-01-01", "in the future")]
)
def test_a_time_that_no_backup_has_is_refused(lost: Lost, when: str, said: str) -> None:
    _refused(lost.site, said, "--to-time", when)


def test_the_site_comes_back_on_the_empty_host(lost: Lost) -> None:
    site = lost.site
    before = site.host.run(DIGEST).stdout
    said = site.run(*typed("Restore onto a new host", site), "--yes")
    print(said.output)
    assert "replaced: nothing" in said.words
    assert "everything holds" in said.words
    read_back(site, lost.before)
    with site.administrator() as client:
        client.ask("GET", f"/posts/{lost.after.post}", 200)
    assert site.host.run(DIGEST).stdout == before
    assert "before-restore" not in site.host.run("ls /var/lib/postgresql/15").stdout


def test_a_second_run_changes_nothing_and_all_holds(lost: Lost) -> None:
    assert lost.site.deploy().changed == ()
    lost.site.verify()


def test_it_has_a_full_backup_of_its_own(lost: Lost) -> None:
    said = lost.site.host.run("cat /var/lib/mattermost-host/backup/last").stdout
    assert "database=" in said and "files=" in said
    info = "cd / && runuser -u postgres -- pgbackrest --stanza=mattermost info"
    assert "full backup" in lost.site.host.run(info).stdout


def test_a_second_time_is_refused(lost: Lost) -> None:
    assert "holds a repository already" in restored(lost.site, check=False)


def test_a_drill_proves_the_new_backups_and_leaves_nothing(lost: Lost) -> None:
    site, host = lost.site, lost.site.host
    started = site.started("mattermost.service", "postgresql@15-main.service")
    said = site.run(*typed("Prove the backups", site))
    print(said.output)
    assert "the backups are proven" in said.words
    proven = host.run("cat /var/lib/mattermost-host/backup/proven").stdout
    measured = dict(line.split("=", 1) for line in proven.splitlines())
    assert int(measured["files"]) >= 1
    assert int(measured["posts"]) >= 2
    assert 0 < int(measured["rto"]) < 300
    assert 0 <= int(measured["rpo"]) < 300
    assert f"{measured['posts']} posts and {measured['files']} files were read back" in said.words
    assert host.run("ls /var/lib/mattermost-host").stdout.split() == ["backup"]
    assert site.started("mattermost.service", "postgresql@15-main.service") == started
    units = host.run("systemctl list-units --all --plain --no-legend '*drill*'").stdout.split()
    assert not any("drill-server" in one or "drill-database" in one for one in units)


def test_a_backup_that_can_not_be_restored_is_loud(lost: Lost) -> None:
    """The drill fails, and so do verify and plan, until the next one succeeds."""
    site, host = lost.site, lost.site.host
    damaged = "find /srv/backup/mattermost-host/database/backup -path '*/pg_data/PG_VERSION*'"
    host.run(f"{damaged} -exec mv {{}} {{}}.away ';'")
    failed = site.run("mattermost-host", "drill", str(site.inventory), check=False)
    assert failed.status == 1
    assert "The drill failed: the backups are not proven." in failed.words
    verified = site.run("mattermost-host", "verify", str(site.inventory), check=False)
    assert "that it failed the last time" in verified.words
    plan = site.run("mattermost-host", "plan", str(site.inventory), check=False)
    assert "the drill of the backups failed the last time" in plan.words
    host.run(f"{damaged} -name '*.away' -print0 | xargs -0 -n 1 sh -c 'mv \"$0\" \"${{0%.away}}\"'")
    site.deploy()
    site.verify()
