"""A program as a unit of its own, and what the one who waits for it sees; systemd is a stand-in."""

import os
import subprocess
from pathlib import Path

import pytest

from mattermost_host.ops import detached
from mattermost_host.ops.detached import Detached
from tests.unit import local


def _ran(folder: Path, program: str, active: str = '[ -e "$0.on" ]') -> tuple[int, str, str]:
    programs = folder / "programs"
    local.program(programs, "systemctl", f"shift 3; {active.replace('$0', f'{folder}/unit')}")
    begun = 'while [ "$1" != /bin/sh ]; do shift; done'
    unit = f'touch {folder}/unit.on; {begun}; {{ "$@"; rm {folder}/unit.on; }} >/dev/null 2>&1 &'
    local.program(programs, "systemd-run", unit)
    script = detached.run(Detached("a-unit", str(folder / "kept")), program)
    done = subprocess.run(
        ["sh", "-c", script],
        env={**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.returncode, done.stdout, done.stderr


def test_what_it_says_is_shown_once(tmp_path: Path) -> None:
    status, said, errors = _ran(tmp_path, "printf 'one\\ntwo\\n'; sleep 1; echo three >&2; true")
    assert (status, said, errors) == (0, "one\ntwo\nthree\n", "")


def test_how_it_failed_is_the_last_line(tmp_path: Path) -> None:
    status, said, errors = _ran(tmp_path, "sh -c 'echo begun; echo why >&2; exit 3'")
    assert (status, said, errors) == (1, "begun\nwhy\n", "why\n")


def test_one_that_was_killed_is_told(tmp_path: Path) -> None:
    status, _, errors = _ran(tmp_path, "kill $$")
    assert status == 1
    assert "it was cut off; see" in errors


def test_a_second_one_is_refused(tmp_path: Path) -> None:
    status, _, errors = _ran(tmp_path, "echo never", active="true")
    assert status == 1
    assert "it is under way already" in errors
    assert not (tmp_path / "kept").exists()


def test_a_silent_one_is_said_to_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detached, "SILENCE_S", 1)
    status, said, _ = _ran(tmp_path, "sleep 2.5; echo done")
    assert status == 0
    assert "it goes on, for" in said
    assert said.endswith("done\n")
