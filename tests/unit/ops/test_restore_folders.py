"""The folders that a restore moves aside: which ones it can't, and what it says then."""

import subprocess
from pathlib import Path

import pytest

from mattermost_host.support.templates import render
from tests.unit import local

FUNCTIONS = render("backup/folders.sh.j2")
SET = """
            database list: mattermost (16384)
            symlinks:
                pg_wal => /srv/wal
            tablespaces:
                apart (16391) => {}
"""
AROUND = (
    'set -eu\nas_postgres() { "$@"; }\nrefuse() { echo "Nothing was changed: $1" >&2; exit 1; }\n'
)


def _run(script: str, programs: Path) -> subprocess.CompletedProcess[str]:
    return local.run(f"{AROUND}{FUNCTIONS}\n{script}", programs=programs)


@pytest.mark.parametrize("mounted", ["data", "home/data", "elsewhere"])
def test_a_mount_point_is_refused(tmp_path: Path, mounted: str) -> None:
    programs = tmp_path / "programs"
    local.program(programs, "mountpoint", f'[ "$*" = "-q {tmp_path}/{mounted}" ]')
    said = _run(f"renamable {tmp_path}/data; renamable {tmp_path}/home/data", programs)
    if mounted == "elsewhere":
        assert (said.returncode, said.stderr) == (0, "")
        return
    place = tmp_path / mounted
    assert said.returncode == 1
    assert f"Nothing was changed: {place} is a file system of its own" in said.stderr
    assert f"mount that file system at {place.parent} instead" in said.stderr
    assert "in its folder data and" in said.stderr


def _with_tablespace(at: Path) -> Path:
    """A database with a tablespace, which the backup has, too."""
    links = at / "main/pg_tblspc"
    links.mkdir(parents=True)
    (links / "16391").symlink_to(at / "ts")
    (at / "ts/PG_15_202209061").mkdir(parents=True)
    (at / "set").write_text(SET.format(at / "ts"))
    return at / "ts"


def _looked(at: Path, data: str = "main", cut: str = "") -> str:
    asks = f"pgbackrest_() {{ [ \"$*\" = 'info --set=A' ] && cat {at}/set; }}"
    found = f"set=A version=15 cut={cut} at_rest={at}/{data}"
    return _run(f"{asks}\n{found}\nlook_at_spaces", at / "programs").stderr


def test_the_tablespace_of_the_database_that_is_there_is_in_nobodys_way(tmp_path: Path) -> None:
    _with_tablespace(tmp_path)
    assert _looked(tmp_path) == ""
    assert _looked(tmp_path, "nothing", cut="database") == ""


def test_a_tablespace_of_another_database_is_left_alone(tmp_path: Path) -> None:
    there = _with_tablespace(tmp_path) / "PG_15_202209061"
    said = _looked(tmp_path, "nothing")
    assert "where there is something of another database" in said
    assert f"mv {there} {there}-old" in said
    for other in (f"{there}.before-restore-1", f"{there}-old"):
        there.rename(other)
        assert _looked(tmp_path, "nothing") == ""
        Path(other).rename(there)


def test_a_place_that_is_not_there_is_named(tmp_path: Path) -> None:
    place = _with_tablespace(tmp_path)
    place.rename(tmp_path / "elsewhere")
    said = _looked(tmp_path)
    assert f"backup A has a tablespace in {place}, which is not there" in said
    assert f"mkdir -p {place} && chown postgres: {place}" in said


def test_tablespaces_go_aside_with_their_database(tmp_path: Path) -> None:
    place = _with_tablespace(tmp_path)
    for other in ("PG_16_202307071", "PG_15_202209061.before-restore-0"):
        (place / other).mkdir()
    (tmp_path / "main").rename(tmp_path / "main.before-restore-1")
    done = _run(f"have=15 kept={tmp_path}/main.before-restore-1; spaces_aside", tmp_path / "none")
    assert (done.returncode, done.stderr) == (0, "")
    assert {one.name for one in place.iterdir()} == {
        "PG_16_202307071",
        "PG_15_202209061.before-restore-0",
        "PG_15_202209061.before-restore-1",
    }
