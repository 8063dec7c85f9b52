"""The metrics of backups: the program, run on notes of backups, and read as Prometheus reads it."""

import os
import subprocess
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from mattermost_host.ops.backup_watch import FILE, PREFIX, WATCHED
from mattermost_host.support.templates import render

FAILED = WATCHED[1]
# Whoever runs the tests may be nobody who can become another account.
PROGRAMS = {
    "setpriv": 'while case $1 in --*) ;; *) false ;; esac; do shift; done; exec "$@"',
    "systemctl": f'[ "$3" = {FAILED} ]',
}
Metrics = dict[tuple[str, str], float]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A host with a folder of node_exporter, notes of backups, and a queue of two segments."""
    status = tmp_path / "main/pg_wal/archive_status"
    for one in (tmp_path / "bin", tmp_path / "node", tmp_path / "state", status):
        one.mkdir(parents=True)
    for name, text in PROGRAMS.items():
        program = tmp_path / "bin" / name
        program.write_text(f"#!/bin/sh\n{text}\n")
        program.chmod(0o755)
    for name in ("01.ready", "02.ready", "03.done"):
        (status / name).touch()
    notes = {
        "last": "finished=1000\ndatabase=20261127-030000F\ndatabase_bytes=70\nfiles_bytes=50\n",
        "dumped": "finished=900\nsnapshot=0a0b\n",
        "proven": "finished=800\nrto=12\nrpo=34\n",
    }
    for name, text in notes.items():
        (tmp_path / "state" / name).write_text(text)
    return tmp_path


def _run(folder: Path) -> None:
    text = render(
        "backup/backup-metrics.sh.j2",
        folder=folder / "node",
        file=FILE,
        prefix=PREFIX,
        state=folder / "state",
        data=folder / "main",
        units=WATCHED,
        member=False,
        files=True,
    )
    path = {**os.environ, "PATH": f"{folder}/bin:{os.environ['PATH']}"}
    subprocess.run(["sh", "-c", text], check=True, env=path, timeout=20)


def _written(folder: Path) -> Metrics:
    _run(folder)
    families = text_string_to_metric_families((folder / "node" / FILE).read_text())
    return {
        (family.name.removeprefix(PREFIX), "".join(one.labels.values())): one.value
        for family in families
        for one in family.samples
    }


def test_ages_sizes_queue_and_failures_are_told(folder: Path) -> None:
    assert _written(folder) == {
        ("finished_timestamp_seconds", "backup"): 1_000,
        ("finished_timestamp_seconds", "dump"): 900,
        ("finished_timestamp_seconds", "drill"): 800,
        ("size_bytes", "database"): 70,
        ("size_bytes", "files"): 50,
        ("wal_segments_waiting", ""): 2,
        ("drill_rto_seconds", ""): 12,
        ("drill_rpo_seconds", ""): 34,
        **{("failed", unit): int(unit == FAILED) for unit in WATCHED},
    }


def test_what_was_never_made_has_no_age(folder: Path) -> None:
    """No sample, which an alert can ask for; a zero would be a backup of 1970."""
    (folder / "state/last").unlink()
    (folder / "state/proven").write_text("finished=\n")
    (folder / "main/pg_wal/archive_status/01.ready").unlink()
    metrics = _written(folder)
    ages = {kind for name, kind in metrics if name == "finished_timestamp_seconds"}
    assert ages == {"dump"}
    assert not [name for name, _ in metrics if name.startswith(("size", "drill"))]
    assert metrics["wal_segments_waiting", ""] == 1


def test_the_file_is_exchanged_whole_and_readable(folder: Path) -> None:
    file = folder / "node" / FILE
    file.write_text("old\n")
    before = file.stat().st_ino
    _run(folder)
    assert file.stat().st_ino != before
    assert file.stat().st_mode & 0o777 == 0o644
    assert [one.name for one in file.parent.iterdir()] == [FILE]


def test_without_node_exporter_nothing_is_written(folder: Path) -> None:
    (folder / "node").rmdir()
    _run(folder)
    assert not (folder / "node").exists()
