"""Data that is deleted: the shell, on folders and on a real cluster of this test."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mattermost_host.knowledge.clusters import Cluster
from mattermost_host.ops import deletion
from mattermost_host.ops.deletion import AskData, Found
from tests.unit.fake_host import answering, plan


def _run(script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["dash", "-c", script], capture_output=True, text=True, check=False)


def test_sizes_links_and_accounts_are_told(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_bytes(os.urandom(3 << 20))
    (tmp_path / "link").symlink_to("/etc")
    paths = tuple(f"{tmp_path}/{name}" for name in ("full", "link", "gone"))
    asked = AskData((*paths, "/proc"), ("root", "nobody-of-ours"))
    found = asked.parse(_run(asked.script()).stdout.splitlines())
    assert found.sizes[paths[0]] in (3, 4)
    assert found == Found(found.sizes, (paths[1],), ("/proc",), found.bare, accounts=("root",))
    assert paths[0] not in found.bare
    assert deletion.size(found, paths[2]) == f"{paths[2]} (size unknown)"


def test_an_emptied_mount_point_and_the_folder_above_it_are_what_stays() -> None:
    paths = ("/home/data", "/home", "/logs")
    found = Found(dict.fromkeys(paths[:2], 1), mounts=("/home/data",), bare=("/home/data", "/home"))

    def keep() -> None:
        deletion.folders(name="gone", paths=paths)

    assert plan(keep, answer=answering({AskData(paths): found})).changed == []
    again = replace(found, bare=("/home",))
    assert plan(keep, answer=answering({AskData(paths): again})).changed == ["gone"]


def test_folders_go_and_what_links_lead_to_stays(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "kept").touch()
    ours = tmp_path / "ours"
    (ours / "data").mkdir(parents=True)
    (ours / "data" / "link").symlink_to(other)
    (tmp_path / "linked").symlink_to(other)
    paths = tuple(map(str, (ours / "data", ours, tmp_path / "linked", tmp_path / "gone")))

    def keep() -> None:
        deletion.folders(name="gone", paths=paths)

    sizes = dict.fromkeys(paths[:2], 1)
    script = plan(keep, answer=answering({AskData(paths): Found(sizes)})).shell
    done = _run(script)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["linked", "other"]
    assert (other / "kept").exists()
    assert plan(keep, answer=answering({AskData(paths): Found()})).changed == []


@pytest.fixture
def layout() -> Iterator[Cluster]:
    """A cluster of PostgreSQL with the site's databases, which does not run."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not found or os.geteuid() != 0:
        pytest.skip("PostgreSQL is not installed on this machine, or this is not root")
    with tempfile.TemporaryDirectory(prefix="mattermost-host-", dir="/tmp") as name:
        shutil.chown(name, "postgres")
        data = Path(name) / "data"
        data.mkdir()
        shutil.chown(data, "postgres", "postgres")
        made = Cluster((), "", ("15", "main"), str(found[-1]), str(data), str(data), "", "")
        as_postgres = ["runuser", "-u", "postgres", "--", f"{made.programs}/initdb"]
        subprocess.run([*as_postgres, "--no-sync", "-D", data], check=True, capture_output=True)
        _said(made, "CREATE ROLE mattermost", *map("CREATE DATABASE {}".format, OURS))
        yield made


OURS = ("mattermost", "mattermost_before_1764000000000", "mattermost_restored")
NAMES = "SELECT string_agg(datname, ' ' ORDER BY datname) AS said FROM pg_database"


def _said(layout: Cluster, *statements: str) -> str:
    asked = "".join(f"{one}\n" for one in statements)
    alone = ["runuser", "-u", "postgres", "--", f"{layout.programs}/postgres", "--single"]
    command = [*alone, "-D", layout.data, "postgres"]
    done = subprocess.run(command, input=asked, capture_output=True, text=True, check=True, cwd="/")
    assert "ERROR" not in done.stderr
    return done.stdout


def _deleted(layout: Cluster, **found: Any) -> subprocess.CompletedProcess[str]:
    left = f"{layout.data}.note"
    Path(left).touch()

    def keep() -> None:
        deletion.database(
            name="gone", cluster=layout, role="mattermost", left=(left,), debian=False
        )

    version = f"{layout.data}/PG_VERSION"
    asked = AskData((layout.data, version))
    there = Found({layout.data: 40, version: 0}, **found)
    done = _run(plan(keep, answer=answering({asked: there})).shell)
    assert Path(left).exists() == bool(done.returncode)
    return done


def test_a_cluster_of_the_site_alone_goes_as_a_whole(layout: Cluster) -> None:
    earlier = Path(f"{layout.data}.before-restore-20261127T000000Z")
    earlier.mkdir()
    shutil.chown(earlier, "postgres")
    done = _deleted(layout)
    assert (done.returncode, done.stderr) == (0, "")
    assert "PostgreSQL 15/main is deleted." in done.stdout
    assert list(Path(layout.data).iterdir()) == []


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("CREATE DATABASE reports", "the database reports"),
        ("CREATE DATABASE mattermost_reports", "the database mattermost_reports"),
        ("CREATE ROLE reader", "the role reader"),
        ("CREATE TABLE notes (id int)", "the table notes"),
    ],
)
def test_what_others_have_in_it_stays(layout: Cluster, statement: str, said: str) -> None:
    _said(layout, statement)
    done = _deleted(layout)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"PostgreSQL 15/main stays: it has also {said}." in done.stdout
    names = _said(layout, NAMES)
    assert [one for one in OURS if f"{one} " in names or f'{one}"' in names] == []
    assert "mattermost" not in _said(layout, "SELECT rolname FROM pg_roles")


def test_a_cluster_on_a_mount_point_stays_without_the_site_s_databases(layout: Cluster) -> None:
    done = _deleted(layout, mounts=(layout.data,))
    assert (done.returncode, done.stderr) == (0, "")
    assert "PostgreSQL 15/main stays." in done.stdout
    assert '= "postgres template0 template1"' in _said(layout, NAMES)


def test_a_cluster_that_says_nothing_is_left_alone(layout: Cluster) -> None:
    Path(f"{layout.data}/postgresql.conf").write_text("no such parameter\n")
    done = _deleted(layout)
    assert done.returncode == 1
    assert "PostgreSQL 15/main does not say what is in it" in done.stderr
    assert Path(f"{layout.data}/base").exists()
