"""When the database is backed up whole: the program, run with a pgBackRest that only answers."""

import json
import os
import subprocess
import time
from pathlib import Path

import pytest

from mattermost_host.ops.backup_files import (
    FULL_AFTER_S,
    RESTORE_UNFINISHED,
    SEGMENTS,
    STANZA,
    UNFINISHED_CASE,
)
from mattermost_host.ops.pgbackrest_state import MARK
from mattermost_host.support.templates import render

PGBACKREST = """#!/bin/sh
case "$*" in
  *info*) cat "$0.info" ;;
  *repo-ls*) cat "$0.archive" ;;
  *repo-get*) cat "$0.owner" ;;
  *) echo "ran: $*" ;;
esac
"""


def _label(age_s: int) -> str:
    return time.strftime("%Y%m%d-%H%M%S", time.localtime(time.time() - age_s)) + "F"


def _info(age_s: int, begin: str) -> str:
    full = _label(age_s)
    backups = [
        {"archive": {"start": "000000010000000000000002"}, "label": full},
        {"archive": {"start": begin}, "label": f"{full}_20990101-000000I"},
    ]
    return json.dumps([{"backup": backups}], separators=(",", ":"))


def _names(*segments: str) -> str:
    return "".join(f"15-1/{one[:16]}/{one}-{'ab' * 20}.zst\n" for one in segments)


def _ran(folder: Path, info: str, archive: str, owner: str = "") -> str:
    """What the program prints, errors included; by default the repository is this machine's."""
    program = folder / "pgbackrest"
    program.write_text(PGBACKREST)
    program.chmod(0o755)
    (folder / "pgbackrest.info").write_text(info)
    (folder / "pgbackrest.archive").write_text(archive)
    machine = folder / "machine-id"
    machine.write_text("0a\n")
    (folder / "pgbackrest.owner").write_text(owner or "0a chat")
    asks = render(
        "backup/owner.sh.j2",
        account="",
        stanza=STANZA,
        mark=MARK,
        journal=folder / "journal",
        steps=UNFINISHED_CASE,
    )
    text = render(
        "backup/backup-database.sh.j2",
        stanza=STANZA,
        full_after_s=FULL_AFTER_S,
        segments=SEGMENTS,
        owner=asks.replace("/etc/machine-id", str(machine)),
        data=folder / "main",
    )
    path = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["sh", "-c", text], capture_output=True, text=True, check=False, env=path, timeout=20
    )
    assert (done.returncode == 0) is (done.stderr == "")
    return done.stdout + done.stderr


BEGIN = "0000000100000000000000FE"
WHOLE = _names(BEGIN, "0000000100000000000000FF", "000000010000000100000000")
HOLE = _names(BEGIN, "000000010000000100000000")
HISTORY = f"15-1/{BEGIN}.00000028.backup\n"


@pytest.mark.parametrize(
    ("age_s", "archive", "kind", "why"),
    [
        (3_600, WHOLE + HISTORY, "incr", "what changed"),
        (3_600, _names("000000010000000000000001") + WHOLE, "incr", "what changed"),
        (3_600, WHOLE + _names("000000020000000100000000"), "incr", "what changed"),
        (3_600, WHOLE + _names("000000020000000100000001"), "incr", "what changed"),
        (3_600, WHOLE + _names("000000020000000100000002"), "full", "the archive has a gap"),
        (3_600, HOLE, "full", "the archive has a gap"),
        (3_600, _names("0000000100000000000000FF"), "full", "lacks what the last one needs"),
        (3_600, "", "full", "lacks what the last one needs"),
        (7 * 86_400, WHOLE, "full", "a week old"),
    ],
)
def test_everything_is_backed_up_where_it_must(
    tmp_path: Path, age_s: int, archive: str, kind: str, why: str
) -> None:
    said = _ran(tmp_path, _info(age_s, BEGIN), archive)
    assert said.startswith("ran: --stanza=mattermost check\n")
    assert f"--type={kind} backup" in said
    assert why in said


def test_a_name_of_digits_only_is_no_number(tmp_path: Path) -> None:
    """As one, it is larger than a number can be told from its neighbour."""
    before, begin, after = (f"00000001000000000000000{last}" for last in (3, 4, 5))
    said = _ran(tmp_path, _info(3_600, begin), _names(before, begin, after))
    assert "--type=incr backup" in said, said


@pytest.mark.parametrize(
    ("owner", "said"),
    [("0b other", "belongs to another host (other)"), ("\n", "has no mark of its host")],
)
def test_another_hosts_repository_is_left_alone(tmp_path: Path, owner: str, said: str) -> None:
    told = _ran(tmp_path, _info(3_600, BEGIN), WHOLE, owner)
    assert said in told
    assert "ran:" not in told


@pytest.mark.parametrize("step", [*RESTORE_UNFINISHED, "done", "back"])
def test_nothing_is_backed_up_where_a_restore_was_cut_off(tmp_path: Path, step: str) -> None:
    (tmp_path / "journal").write_text(f"step={step}\nkept=/a\n")
    said = _ran(tmp_path, _info(3_600, BEGIN), WHOLE)
    assert ("A restore was cut off: nothing is backed up" in said) == (step in RESTORE_UNFINISHED)
    assert ("backup\n" in said) == (step not in RESTORE_UNFINISHED)


def test_nothing_is_removed_while_what_a_restore_left_is_there(tmp_path: Path) -> None:
    assert "--type=incr backup" in _ran(tmp_path, _info(3_600, BEGIN), WHOLE)
    (tmp_path / "main.before-restore-20261127T120000Z").mkdir()
    said = _ran(tmp_path, _info(3_600, BEGIN), WHOLE)
    assert "--type=incr --no-expire-auto backup" in said
    assert f"no older backup is removed as long as {tmp_path}/main.before-restore-2026" in said


def test_the_first_one_is_whole(tmp_path: Path) -> None:
    said = _ran(tmp_path, '[{"backup":[]}]', "")
    assert "--type=full backup" in said
    assert "there is none" in said
