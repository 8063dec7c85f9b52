"""The way back from a restore: what was there before, whatever the restore has put in its place."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from mattermost_host.support.templates import render

AROUND = """set -eu
data={at}/main home={at}/home unit=postgresql.service now=1 elsewhere=
runuser() {{ shift 3; "$@"; }}
as_postgres() {{ "$@"; }}
systemctl() {{ case "$*" in *"$BROKEN"*) return 1 ;; stop*) ;; *) echo "$*" ;; esac; }}
units() {{ echo "$@"; }}
everything() {{ :; }}
stop() {{ :; }}
start() {{ systemctl start "$@"; }}
pgbackrest_() {{
  case "$*" in
    'repo-ls archive/mattermost') echo archive.info; echo 9-1; echo 15-2; echo 15-10 ;;
    'repo-ls archive/mattermost/15-10') cat {at}/lines ;;
    *) echo "$*" ;;
  esac
}}
"""
LINES = ("0000000100000000", "00000002.history", "0000000200000000", "0000000A00000001")


@pytest.fixture
def at(tmp_path: Path) -> Path:
    """A host on which a restore was cut off when it had moved both away."""
    (tmp_path / "home").mkdir()
    for name in ("main.before-restore-1", "home/data.kept"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "old").touch()
    (tmp_path / "lines").write_text("".join(f"{one}\n" for one in LINES))
    return tmp_path


def _back(
    at: Path,
    *,
    line: str = "",
    archives: str = "yes",
    broken: str = "none",
    stays: tuple[str, ...] = ("old",),
) -> str:
    noted = {
        "step": "files",
        "kept": at / "main.before-restore-1",
        "kept_files": at / "home/data.kept",
        "aside": "",
        "archives": archives,
        "line": line,
        "ran": "",
    }
    (at / "journal").write_text("".join(f"{key}={value}\n" for key, value in noted.items()))
    names = {"server": "mattermost", "timer": "a.timer", "state": at, "to": "/srv/backup"}
    text = render("backup/folders.sh.j2") + render(
        "backup/way-back.sh.j2", journal=at / "journal", stanza="mattermost", database="", **names
    )
    script = f"{AROUND.format(at=at)}{text}\ncut=$(noted step)\ntake_back"
    done = subprocess.run(
        ["dash", "-c", script],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "BROKEN": broken},
    )
    assert done.returncode == 0, done.stderr
    assert "step=back\n" in (at / "journal").read_text()
    for name, names_in in (("main", stays), ("home/data", ("old",))):
        assert sorted(one.name for one in (at / name).iterdir()) == sorted(names_in)
    return done.stdout + done.stderr


def _left(at: Path) -> set[str]:
    return {
        one.name
        for folder in (at, at / "home")
        for one in (*folder.glob("*.kept*"), *folder.glob("*.before-*"))
    }


def test_what_was_moved_away_comes_back(at: Path) -> None:
    said = _back(at)
    assert "cut off at the step files is taken back" in said
    assert "start postgresql.service\nstart mattermost\nstart a.timer\n" in said
    assert _left(at) == set()


@pytest.mark.parametrize(
    ("broken", "told"), [("postgresql", "PostgreSQL does"), ("mattermost", "The server does")]
)
def test_a_database_that_did_not_start_before_is_put_back_all_the_same(
    at: Path, broken: str, told: str
) -> None:
    said = _back(at, broken=f"start {broken}")
    assert f"{told} not start with what was there before." in said
    assert "start a.timer" in said
    assert "start mattermost" not in said


def test_what_nothing_ran_on_goes(at: Path) -> None:
    (at / "main").mkdir()
    (at / "main/PG_VERSION").touch()
    assert "is kept as" not in _back(at)
    assert _left(at) == set()


def test_what_was_in_use_since_is_kept_and_named(at: Path) -> None:
    for name, file in (("main", "postmaster.opts"), ("home/data", "upload")):
        (at / name).mkdir()
        (at / name / file).touch()
    said = _back(at)
    assert f"is kept as {at}/main.before-restore-1-cut-off-1: remove it" in said
    assert _left(at) == {"main.before-restore-1-cut-off-1", "data.kept-cut-off-1"}
    assert (at / "main.before-restore-1-cut-off-1/postmaster.opts").exists()


def test_what_was_put_back_already_stays(at: Path) -> None:
    """As by hand, or by a way back that was cut off itself."""
    for kept, own in (("main.before-restore-1", "main"), ("home/data.kept", "home/data")):
        (at / kept).rename(at / own)
    (at / "main/old").touch()
    _back(at)
    assert _left(at) == set()


@pytest.mark.parametrize(
    ("line", "archives", "gone"),
    [
        ("1", "yes", LINES[1:]),
        ("2", "yes", LINES[3:]),
        ("10", "yes", ()),
        ("", "yes", ()),
        ("1", "", ()),
    ],
)
def test_the_archive_forgets_the_lines_after_that_of_the_old_database(
    at: Path, line: str, archives: str, gone: tuple[str, ...]
) -> None:
    said = _back(at, line=line, archives=archives)
    told = [row for row in said.splitlines() if row.startswith("repo-rm")]
    assert told == [f"repo-rm --recurse archive/mattermost/15-10/{one}" for one in gone]
    assert ("start mattermost" in said) == bool(archives)


VERSION = "PG_15_202209061"


def _with_tablespaces(at: Path, *, used: bool) -> tuple[Path, Path]:
    """One that both databases have, and one that only the restored one has."""
    both, new = at / "both", at / "new"
    for data, places in (("main.before-restore-1", [both]), ("main", [both, new])):
        links = at / data / "pg_tblspc"
        links.mkdir(parents=True)
        for number, place in enumerate(places):
            (links / str(number)).symlink_to(place)
    (at / "main.before-restore-1/PG_VERSION").write_text("15\n")
    for path in (both / f"{VERSION}.before-restore-1", both / VERSION, new / VERSION):
        path.mkdir(parents=True)
        (path / "5").touch()
    (both / f"{VERSION}.before-restore-1/old").touch()
    for path in (both / f"{VERSION}.before-restore-0", new / "PG_16_202307071"):
        path.mkdir()  # of another restore, and of another cluster
    if used:
        (at / "main/postmaster.opts").touch()
    return both, new


@pytest.mark.parametrize("used", [False, True])
def test_tablespaces_come_back_and_those_of_the_restored_one_are_in_nobodys_way(
    at: Path, used: bool
) -> None:
    both, new = _with_tablespaces(at, used=used)
    _back(at, stays=("PG_VERSION", "old", "pg_tblspc"))
    assert (both / VERSION / "old").exists()
    aside = f"{VERSION}.before-restore-1-cut-off-1"
    assert {one.name for one in both.iterdir()} == {
        VERSION,
        f"{VERSION}.before-restore-0",
        *([aside] if used else []),
    }
    assert {one.name for one in new.iterdir()} == {
        "PG_16_202307071",
        *([aside] if used else []),
    }


def test_a_tablespace_that_was_not_moved_yet_stays(at: Path) -> None:
    """The cut came between the data folder and its tablespaces."""
    both, _ = _with_tablespaces(at, used=False)
    shutil.rmtree(both / VERSION)
    (both / f"{VERSION}.before-restore-1").rename(both / VERSION)
    _back(at, stays=("PG_VERSION", "old", "pg_tblspc"))
    assert (both / VERSION / "old").exists()
