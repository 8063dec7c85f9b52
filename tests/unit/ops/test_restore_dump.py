"""A dump that is restored, cut off before each of its steps, on a real PostgreSQL: at each moment
a whole database has the name, and the next run finds the old one."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from mattermost_host.support.templates import render
from tests.unit import local
from tests.unit.ops.databases import Cluster

COUNTS = """n=$(($(cat {count}) + 1)); echo $n >{count}
[ $n != "$CUT" ] || {{ kill -KILL 0; sleep 5; }}
exec {binaries}/{name} "$@" """
AROUND = """set -eu
data={data} unit=postgresql home=/nowhere programs={programs} dump=0a snapshot=0b now=1
elsewhere=
as_postgres() {{ "$@"; }}
sql() {{ psql -XAtqw -h {socket} -p 5432 -d "${{2:-postgres}}" -c "$1"; }}
units() {{ :; }}
everything() {{ :; }}
stop() {{ :; }}
start() {{ systemctl start "$@"; }}
systemctl() {{ :; }}
restic() {{ if [ "$3" = /database.dump ]; then cat {dump}; fi; }}
"""
PARTS = ("from-dump", "folders", "way-back")
ASIDE = "mattermost_before_restore_20261127t030000"


class Restore:
    """The functions of the program, on a cluster of this test."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self.cluster = cluster
        self.folder = folder
        self.programs = folder / "programs"
        self.count = folder / "count"
        for name in ("psql", "pg_restore", "vacuumdb"):
            text = COUNTS.format(count=self.count, binaries=cluster.binaries, name=name)
            local.program(self.programs, name, text)
        names = {
            "database": "mattermost",
            "socket": cluster.folder,
            "port": 5432,
            "state": folder,
            "dump_host": "",
            "journal": folder / "journal",
            "stanza": "mattermost",
            "server": "mattermost",
            "timer": "a.timer",
            "to": "/srv/backup",
        }
        dump = folder / "database.dump"
        around = AROUND.format(
            data=folder / "data", programs=self.programs, socket=cluster.folder, dump=dump
        )
        parts = (render(f"backup/{name}.sh.j2", **names) for name in PARTS)
        self.text = "\n".join((around, *parts))

    def run(self, script: str, cut: int = 0) -> subprocess.CompletedProcess[str]:
        """Run SCRIPT after these functions; before step CUT everything is killed at once."""
        self.count.write_text("0")
        path = f"{self.programs}:{os.environ['PATH']}"
        env = {**os.environ, "PATH": path, "PGUSER": "postgres", "CUT": str(cut)}
        return subprocess.run(
            ["sh", "-c", f"{self.text}\n{script}"],
            env=env,
            capture_output=True,
            text=True,
            check=False,
            start_new_session=True,
            timeout=60,
        )

    def said(self) -> str:
        """Which database has the name."""
        return self.asked("select said from words", "mattermost")

    def names(self) -> set[str]:
        """All databases that are ours."""
        asked = "select datname from pg_database where datname like 'mattermost%'"
        return set(self.asked(asked).split())

    def asked(self, statement: str, name: str = "postgres") -> str:
        """What PostgreSQL answers."""
        reach = ("-h", str(self.cluster.folder), "-U", "postgres", "-d", name)
        command = [str(self.cluster.binaries / "psql"), *reach, "-XAtc", statement]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return done.stdout.strip()


@pytest.fixture(scope="module")
def restore(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Restore:
    """A cluster with the old database, and a dump of another one."""
    folder = tmp_path_factory.mktemp("restore")
    made = Restore(cluster, folder)
    cluster.sql("create role mattermost login")
    for name, word in (("other", "new"), ("mattermost", "old")):
        cluster.sql(f"create database {name} owner mattermost")
        cluster.sql(f"create table words as select '{word}' as said", name)
    reach = ("-h", str(cluster.folder), "-U", "postgres")
    with (folder / "database.dump").open("wb") as file:
        dump = [str(cluster.binaries / "pg_dump"), *reach, "-Fc", "other"]
        subprocess.run(dump, check=True, stdout=file)
    return made


BRING = f"kept=/nowhere/kept kept_files=/nowhere/files aside={ASIDE}; step database; bring_dump"
BACK = "cut=$(noted step); take_back"


def _put_back(restore: Restore) -> None:
    back = restore.run(BACK)
    assert back.returncode == 0, back.stderr
    assert restore.said() == "old"
    assert "step=back" in (restore.folder / "journal").read_text()


def _cut_off(restore: Restore, script: str, cut: int) -> bool:
    """Run it up to that step; False where it has ended before."""
    done = restore.run(script, cut)
    assert done.returncode in {0, -signal.SIGKILL}, done.stderr
    return done.returncode != 0


def test_cut_off_before_each_step_the_old_one_has_the_name_and_the_rest_goes(
    restore: Restore,
) -> None:
    cut = 1
    while _cut_off(restore, BRING, cut):
        assert restore.said() == "old"
        _put_back(restore)
        assert restore.names() == {"mattermost"}
        cut += 1
    assert cut > 8, "the steps were not counted"
    assert restore.said() == "new"
    _put_back(restore)
    restore.cluster.sql(f"drop database {ASIDE}_cut_off")


def test_the_way_back_may_be_cut_off_as_well(restore: Restore) -> None:
    """What was restored is kept: somebody may have written to it since."""
    cut, seen = 1, set()
    while not _cut_off(restore, f"{BRING}; step files", 0) and _cut_off(restore, BACK, cut):
        seen.add(restore.said())
        _put_back(restore)
        assert restore.names() == {"mattermost", f"{ASIDE}_cut_off"}
        restore.cluster.sql(f"drop database {ASIDE}_cut_off")
        cut += 1
    assert seen == {"new", "old"}
    assert restore.said() == "old"
