"""The history: nobody edits it unseen, nobody else reads it, nothing is lost of it."""

import hashlib
import io
import json
import stat
import threading
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console

from mattermost_host.drift import history as drift_history
from mattermost_host.drift.outcome import Found, Outcome
from mattermost_host.support.errors import OperatorError

DRIFT = Found("h1", "/etc/x", "has mode 666 instead of 644", "warning", "change")
OUTCOME = Outcome("chat", datetime(2026, 3, 1, 3, tzinfo=UTC), 1.25, drift=(DRIFT,))


@pytest.fixture
def history(tmp_path: Path) -> Path:
    """Three entries."""
    path = tmp_path / "new" / "history.jsonl"
    for seconds in (1, 2, 3):
        drift_history.append(path, replace(OUTCOME, seconds=seconds))
    return path


def _shown(path: Path) -> str:
    out = io.StringIO()
    drift_history.show(drift_history.read(path), Console(file=out, width=160))
    return out.getvalue()


def test_each_line_names_the_digest_of_the_one_before(history: Path) -> None:
    lines = history.read_bytes().splitlines()
    previous = "0" * 64
    for line in lines:
        assert json.loads(line)["previous"] == previous
        previous = hashlib.sha256(line).hexdigest()
    read = drift_history.read(history)
    assert [entry["seconds"] for entry in read.entries] == [1, 2, 3]
    assert (read.broken, read.digest) == ((), previous)
    assert drift_history.append(history, OUTCOME) == drift_history.read(history).digest


def test_it_is_private_from_its_first_byte(history: Path) -> None:
    assert stat.S_IMODE(history.stat().st_mode) == 0o600
    assert stat.S_IMODE(history.parent.stat().st_mode) == 0o700
    history.chmod(0o644)
    with pytest.raises(OperatorError, match="others than its owner"):
        drift_history.read(history)


@pytest.mark.parametrize(
    ("tamper", "broken"),
    [
        (lambda lines: [lines[0].replace(b"666", b"644"), *lines[1:]], ["line 2"]),
        (lambda lines: lines[1:], ["line 1"]),
        (lambda lines: [lines[0], lines[2]], ["line 2"]),
        (lambda lines: [lines[1], lines[0], lines[2]], ["line 1", "line 2", "line 3"]),
        (lambda lines: [lines[0], lines[0], *lines[1:]], ["line 2"]),
        (lambda lines: [lines[0], b"", *lines[1:]], ["line 2", "line 3"]),
        (lambda lines: [lines[0], b"[]", *lines[1:]], ["line 2", "line 3"]),
    ],
    ids=["edited", "first-removed", "removed", "swapped", "doubled", "emptied", "other-json"],
)
def test_tampering_shows(history: Path, tamper, broken: list[str]) -> None:  # type: ignore[no-untyped-def]
    history.write_bytes(b"\n".join(tamper(history.read_bytes().splitlines())) + b"\n")
    found = drift_history.read(history).broken
    assert [" ".join(sentence.split()[:2]) for sentence in found] == broken
    assert "Not as it was written: line" in _shown(history)


def test_a_line_cut_off_by_a_power_cut_stays_and_shows(history: Path) -> None:
    whole = history.read_bytes()
    history.write_bytes(whole[:-20])
    drift_history.append(history, OUTCOME)
    assert history.read_bytes().startswith(whole[:-20] + b"\n")
    read = drift_history.read(history)
    assert len(read.entries) == 3
    assert read.broken == ("line 3 is no entry: it was cut off while written, or edited",)


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


def test_a_table_for_people(history: Path) -> None:
    drift_history.append(history, replace(OUTCOME, drift=(), healed=(DRIFT,)))
    drift_history.append(history, replace(OUTCOME, drift=(), reason="h1 gave no answer\nmore"))
    text = _shown(history)
    assert "h1: /etc/x has mode 666 instead of 644" in text
    assert "put right: h1: /etc/x" in text
    assert "could not tell" in text and "h1 gave no answer" in text
    assert "The chain holds" in text


def test_nothing_yet(tmp_path: Path) -> None:
    assert drift_history.read(tmp_path / "none").entries == ()


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OperatorError, match="missing in the history"):
        drift_history.append(tmp_path / "file" / "history.jsonl", OUTCOME)
