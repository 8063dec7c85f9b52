"""The folders that a restore moves aside: which ones it can't, and what it says then."""

import subprocess
from pathlib import Path

import pytest

from mattermost_host.support.templates import render
from tests.unit import local

FUNCTIONS = render("backup/folders.sh.j2")
AROUND = 'set -eu\nrefuse() { echo "Nothing was changed: $1" >&2; exit 1; }\n'


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
