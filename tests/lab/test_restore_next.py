"""The host is lost, and the new one has the next release of Debian, with another PostgreSQL."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.lab.deployment import Deployment
from tests.lab.hosts import Lab
from tests.lab.kept import LOST, Kept, copy, post_with_file, read_back, restored
from tests.lab.power import Cut, cut_off

PSQL = "cd / && runuser -u postgres -- psql -XAtq -d mattermost"
FILES = f"{LOST}/mattermost-host/files"
CUTS = [
    Cut("database", "psql", '*"alter database mattermost rename"*'),
    Cut("files", "restic", '*"restore --quiet"*'),
]


@dataclass(frozen=True)
class Lost:
    """A site of Debian 12 whose inventory names an empty host of Debian 13."""

    site: Deployment
    kept: Kept


@pytest.fixture(scope="module")
def lost(lab: Lab, release: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lost]:
    folder = tmp_path_factory.mktemp("restore-next")
    host = lab.up("twelve")
    site = Deployment(lab, host, folder, release, backup={"to": "/srv/backup"})
    site.deploy()
    kept = post_with_file(site)
    # Somebody who reports from the database, with a right of his own.
    host.run(f"{PSQL} -c 'create role reports login' -c 'grant select on posts to reports'")
    site.run("mattermost-host", "backup", str(site.inventory))
    spare = lab.up("thirteen", suite="trixie")
    copy(host, spare, "/srv/backup", LOST)
    lab.crash(host)
    lab.resolve(site.name, spare)
    site.host = spare
    site.write()
    yield Lost(site, kept)


def test_without_a_dump_another_version_is_refused(lost: Lost) -> None:
    host = lost.site.host
    # The account is made with the first look, and may have another number than on Debian 12.
    restored(lost.site, check=False)
    host.run(f"chown -R postgres: {LOST}/mattermost-host/database")
    listed = host.run(
        f"restic -r {FILES} --password-file /etc/mattermost-host/backup.key --no-lock --no-cache"
        " snapshots --json --host mattermost-dump"
    ).stdout
    dumps = " ".join(one["id"] for one in json.loads(listed))
    assert dumps
    host.run(f"mkdir /root/away; cd {FILES}/snapshots && mv {dumps} /root/away")
    said = restored(lost.site, check=False)
    host.run(f"mv /root/away/* {FILES}/snapshots/")
    assert "it holds a PostgreSQL 15, and here is 17; only a nightly dump would cross" in said
    assert "Nothing was changed" in said


@pytest.mark.parametrize("cut", CUTS, ids=str)
def test_it_is_cut_off_at_the_change_of_names(lost: Lost, cut: Cut) -> None:
    """Before and after it, there is a whole database of the site's name."""
    site = lost.site
    words = ("mattermost-host", "restore", str(site.inventory), "--from", LOST, "--yes")
    cut_off(site, words, cut)
    whole = "select count(*) from pg_database where datname = 'mattermost' and datallowconn"
    assert site.host.run(f'{PSQL} -c "{whole}"').stdout.strip() == "1"
    tables = "select to_regclass('posts') is not null"
    assert site.host.run(f'{PSQL} -c "{tables}"').stdout.strip() == ("t" if cut is CUTS[1] else "f")
    plan = site.run("mattermost-host", "plan", str(site.inventory), check=False)
    assert plan.status != 0
    assert f"was cut off at the step {cut.step}" in plan.words
    assert "run `mattermost-host restore` again, with the same options" in plan.words


def test_the_site_comes_back_from_the_dump(lost: Lost) -> None:
    said = restored(lost.site)
    assert "cut off at the step files is taken back: what was there before it is put back" in said
    assert "of a PostgreSQL 15, here is 17" in said
    assert "everything holds" in said
    read_back(lost.site, lost.kept)
    granted = "select has_table_privilege('reports', 'posts', 'select')"
    assert lost.site.host.run(f'{PSQL} -c "{granted}"').stdout.strip() == "t"


def test_a_second_run_changes_nothing_and_all_holds(lost: Lost) -> None:
    assert lost.site.deploy().changed == ()
    lost.site.verify()
    databases = "select datname from pg_database where datname like '%before%'"
    kept = lost.site.host.run(f'{PSQL} -c "{databases}"').stdout.split()
    assert [name[-8:] for name in kept] == ["_cut_off"], "what was used before it was taken back"
