"""A program on the host that outlives its caller: shown while it runs, judged by how it ended."""

import os
import subprocess
from pathlib import Path

import pytest

from mattermost_host.engine.shell import PROGRESS, VERDICT
from mattermost_host.ops.host_program import HostProgram

SYSTEMCTL = """#!/bin/sh
case "$*" in
*is-active*) [ "$ACTIVE" ]; exit ;;
esac
# Not yet, no answer, still; then the end.
echo asked >>"$FOLDER/asked"
case $(wc -l <"$FOLDER/asked") in
1) echo active ;;
2) echo 'Failed to retrieve unit state' >&2; exit 1 ;;
3) echo deactivating; sh "$FOLDER/program/move.sh" late ;;
*) echo inactive ;;
esac
"""
SYSTEMD_RUN = """#!/bin/sh
for last; do :; done
exec sh "$last"
"""
WC = """#!/bin/sh
case $(readlink /proc/$$/fd/0) in
*/program/log)
  [ -e "$FOLDER/once" ] || echo meanwhile >>"$FOLDER/program/log"
  : >"$FOLDER/once" ;;
esac
exec /usr/bin/wc "$@"
"""
"""The program says something in the moment in which its log is counted."""
PROGRAM = """
if [ "${1:-}" = late ]; then echo late >>$FOLDER/program/log; exit; fi
echo first >>$FOLDER/program/log
"""


def _run(folder: Path, program: str, active: str = "") -> subprocess.CompletedProcess[str]:
    for name, text in (("systemctl", SYSTEMCTL), ("systemd-run", SYSTEMD_RUN)):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    it = HostProgram("a.service", str(folder / "program"), "another move", "It was cut off.")
    variables = {"PATH": f"{folder}:{os.environ['PATH']}", "FOLDER": str(folder), "ACTIVE": active}
    return subprocess.run(
        ["sh", "-c", it.begin(program, done="done")],
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )


def test_it_is_shown_until_its_unit_has_ended(tmp_path: Path) -> None:
    """Also where systemd does not answer for a moment, as while it is upgraded."""
    done = _run(tmp_path, f"{PROGRAM}echo done >$FOLDER/program/ended\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [f"{PROGRESS}first", f"{PROGRESS}late"]
    assert (tmp_path / "program").stat().st_mode & 0o777 == 0o700


def test_a_line_that_comes_while_others_are_shown_is_shown_too(tmp_path: Path) -> None:
    (tmp_path / "wc").write_text(WC)
    (tmp_path / "wc").chmod(0o755)
    done = _run(tmp_path, f"{PROGRAM}echo done >$FOLDER/program/ended\n")
    said = [f"{PROGRESS}{word}" for word in ("first", "meanwhile", "late")]
    assert sorted(done.stdout.splitlines()) == sorted(said)


@pytest.mark.parametrize(
    ("ended", "said"),
    [
        (
            "echo back >$FOLDER/program/ended; echo 'The old one serves.' >>$FOLDER/program/log",
            "late",
        ),
        ("", "It was cut off."),
    ],
)
def test_its_last_word_is_the_error_where_it_did_not_end_well(
    tmp_path: Path, ended: str, said: str
) -> None:
    done = _run(tmp_path, f"{PROGRAM}{ended}\n")
    assert done.returncode == 1
    assert done.stderr == f"{VERDICT}{said}\n"


def test_one_at_a_time(tmp_path: Path) -> None:
    refused = _run(tmp_path, PROGRAM, active="yes")
    assert refused.returncode == 1
    assert "another move is under way; see" in refused.stderr
    assert not (tmp_path / "program").exists()
