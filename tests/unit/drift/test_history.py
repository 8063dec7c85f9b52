"""The history: nobody else reads it, nothing is lost of it, and no file in its place hurts."""

import json
import os
import stat
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mattermost_host.drift import history as drift_history
from mattermost_host.drift.outcome import Found, Outcome
from mattermost_host.support.errors import OperatorError
from tests.unit import odd_files

DRIFT = Found("h1", "/etc/x", "has mode 666 instead of 644", "warning", "change")
OUTCOME = Outcome(datetime(2026, 3, 1, 3, tzinfo=UTC), "chat", 1.25, drift=(DRIFT,))


@pytest.fixture
def history(tmp_path: Path) -> Path:
    """Three entries."""
    path = tmp_path / "history.jsonl"
    for seconds in (1, 2, 3):
        drift_history.append(path, replace(OUTCOME, seconds=seconds))
    return path


def test_what_was_written_is_read(history: Path) -> None:
    read = drift_history.read(history)
    assert read.entries == tuple(replace(OUTCOME, seconds=seconds) for seconds in (1, 2, 3))
    assert read.broken == ()
    assert [json.loads(line)["status"] for line in history.read_text().splitlines()] == [2, 2, 2]


def test_it_is_private_from_its_first_byte(history: Path) -> None:
    assert stat.S_IMODE(history.stat().st_mode) == 0o600
    history.chmod(0o644)
    with pytest.raises(OperatorError, match="others than its owner"):
        drift_history.read(history)
    with pytest.raises(OperatorError, match="others than its owner"):
        drift_history.append(history, OUTCOME)


@pytest.mark.parametrize(
    "edited",
    ["", "[]", "{", "null", '{"began": 5, "drift": "x"}', '{"began": "2026-03-01", "healed": [1]}'],
)
def test_a_line_that_was_edited_is_named(
    history: Path, capsys: pytest.CaptureFixture[str], edited: str
) -> None:
    lines = history.read_text().splitlines()
    history.write_text("\n".join([lines[0], edited, lines[2]]) + "\n")
    read = drift_history.read(history)
    assert (len(read.entries), read.broken) == (2, (2,))
    drift_history.show(read)
    assert "cut off or edited: line 2" in capsys.readouterr().out


def test_an_entry_that_was_edited_moves_no_cursor(
    history: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    history.write_text(history.read_text().replace("/etc/x", "\\u001b[2J\\n<0>"))
    drift_history.show(drift_history.read(history))
    assert "\x1b[2J" not in capsys.readouterr().out


def test_a_line_cut_off_by_a_power_cut_stays_and_shows(history: Path) -> None:
    whole = history.read_bytes()
    history.write_bytes(whole[:-20])
    drift_history.append(history, OUTCOME)
    assert history.read_bytes().startswith(whole[:-20] + b"\n")
    read = drift_history.read(history)
    assert (len(read.entries), read.broken) == (3, (3,))


def test_runs_at_once_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    append = drift_history.append
    threads = [threading.Thread(target=append, args=(path, OUTCOME)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    read = drift_history.read(path)
    assert (len(read.entries), read.broken) == (8, ())


def test_a_report_for_people(history: Path, capsys: pytest.CaptureFixture[str]) -> None:
    drift_history.append(history, replace(OUTCOME, drift=(), healed=(DRIFT,)))
    drift_history.append(history, replace(OUTCOME, drift=(), reason="h1 gave no answer\nmore"))
    drift_history.show(drift_history.read(history))
    text = capsys.readouterr().out
    assert "warning: h1: /etc/x has mode 666 instead of 644" in text
    assert "repaired: h1: /etc/x" in text
    assert "the check for drift failed" in text and "h1 gave no answer" in text


def test_nothing_yet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = drift_history.read(tmp_path / "none")
    assert found.entries == ()
    drift_history.show(found)
    assert capsys.readouterr().out == "No check for drift has been made by this user yet.\n"


@pytest.mark.parametrize("made", odd_files.KINDS)
def test_what_is_no_file_of_ours_is_a_sentence(
    tmp_path: Path, made: Callable[[Path], None]
) -> None:
    if made is odd_files.foreign and os.geteuid():
        pytest.skip("needs root: gives a file to another user")
    path = tmp_path / "history.jsonl"
    made(path)
    for act in (lambda: drift_history.read(path), lambda: drift_history.append(path, OUTCOME)):
        with pytest.raises(OperatorError, match="history"):
            act()
