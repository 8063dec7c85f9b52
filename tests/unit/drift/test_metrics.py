"""Metrics: in Prometheus' own format, never half a file."""

import os
import re
import stat
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mattermost_host.drift import metrics as drift_metrics
from mattermost_host.drift.outcome import Found, Outcome
from mattermost_host.support.errors import OperatorError

DRIFT = (
    Found("h1", "/etc/a", "is missing", "critical", "change"),
    Found("h1", "/etc/b", "is missing", "warning", "change"),
    Found("h1", "/etc/c", "is missing", "warning", "change"),
)
OUTCOME = Outcome(datetime(2026, 3, 1, 3, tzinfo=UTC), "chat", 1.26, drift=DRIFT)
SAMPLE = re.compile(r'^(\w+)\{((?:\w+="(?:[^"\\]|\\.)*",?)*)\} (-?[0-9.e+]+)$')


def _samples(outcome: Outcome) -> dict[str, str]:
    """Every sample; fails where the text is not in the format."""
    found: dict[str, str] = {}
    typed: dict[str, str] = {}
    text = drift_metrics.text(outcome)
    assert text.endswith("\n")
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split()
            typed[name] = kind
        elif not line.startswith("# HELP "):
            match = SAMPLE.match(line)
            assert match, line
            assert typed[match[1]] == "gauge", "the type stands before the first sample"
            found[f"{match[1].removeprefix('mattermost_host_drift_')}{{{match[2]}}}"] = match[3]
    return found


def test_samples() -> None:
    assert {name: float(value) for name, value in _samples(OUTCOME).items()} == {
        'changes{severity="critical",site="chat"}': 1,
        'changes{severity="warning",site="chat"}': 2,
        'changes{severity="info",site="chat"}': 0,
        'status{site="chat"}': 2,
        'healed{site="chat"}': 0,
        'last_run_timestamp_seconds{site="chat"}': 1772334000,
        'last_run_duration_seconds{site="chat"}': 1.26,
    }


def test_what_is_not_known_is_not_counted() -> None:
    samples = _samples(replace(OUTCOME, drift=(), reason="no answer"))
    assert samples['status{site="chat"}'] == "1.0"
    assert not [name for name in samples if name.startswith("changes")]


def test_labels_are_escaped() -> None:
    samples = _samples(replace(OUTCOME, site='a"b\\c\nd'))
    assert samples['status{site="a\\"b\\\\c\\nd"}'] == "2.0"


def test_the_file_is_replaced_and_readable_by_the_exporter(tmp_path: Path) -> None:
    drift_metrics.write(tmp_path, "chat-1", OUTCOME)
    drift_metrics.write(tmp_path, "chat-1", replace(OUTCOME, drift=()))
    (path,) = tmp_path.iterdir()
    assert path.name == "mattermost-host-drift-chat-1.prom"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert 'status{site="chat"} 0.0' in path.read_text()


def test_a_write_that_fails_leaves_the_old_file_and_nothing_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drift_metrics.write(tmp_path, "chat-1", OUTCOME)
    before = next(tmp_path.iterdir()).read_text()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OperatorError, match="No space left"):
        drift_metrics.write(tmp_path, "chat-1", replace(OUTCOME, drift=()))
    (path,) = tmp_path.iterdir()
    assert path.read_text() == before


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match=r"chat-1\.prom cannot be written"):
        drift_metrics.write(tmp_path / "none", "chat-1", OUTCOME)


def test_the_usual_folder_counts_where_it_exists(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drift_metrics, "USUAL", tmp_path / "none")
    assert drift_metrics.directory(None) is None
    monkeypatch.setattr(drift_metrics, "USUAL", tmp_path)
    assert drift_metrics.directory(None) == tmp_path
    assert drift_metrics.directory("/srv/metrics") == Path("/srv/metrics")
    # An ordinary user may not write there: then there is no metric, and no complaint at each run.
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert drift_metrics.directory(None) is None
    assert drift_metrics.directory("/srv/metrics") == Path("/srv/metrics")


def test_what_is_being_written_is_no_metric(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda _: seen.extend(map(str, tmp_path.iterdir())))
    drift_metrics.write(tmp_path, "chat-1", OUTCOME)
    assert seen and not seen[0].endswith(".prom"), "the collector reads every *.prom"
