"""The host's own lock, by the real shell: one at a time, named, and gone with its holder."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import pytest
from pyinfra.api import Host
from pyinfra.connectors.local import LocalConnector

from mattermost_host.engine import host_lock
from tests.unit import local


@contextmanager
def _run(folder: Path, holder: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A run on the host, and the first thing it is told."""
    script = local.moved(host_lock.script(holder), {host_lock.FOLDER: folder, "-w 10": "-w 0"})
    pipe = subprocess.PIPE
    with subprocess.Popen(["sh", "-c", script], stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdin
        assert process.stdout
        yield process, process.stdout.readline().strip()
        process.stdin.close()


def test_the_second_is_told_of_the_first(tmp_path: Path) -> None:
    with _run(tmp_path, "process 1 of ann@laptop") as (_, first):
        assert first == host_lock.HELD
        with _run(tmp_path, "process 2 of bob@desk") as (_, second):
            assert second == "process 1 of ann@laptop"
    with _run(tmp_path, "process 3 of bob@desk") as (_, third):
        assert third == host_lock.HELD


def test_a_lock_ends_with_the_connection_of_its_holder(tmp_path: Path) -> None:
    with _run(tmp_path, "process 1 of ann@laptop") as (killed, _):
        killed.kill()
        killed.wait()
        with _run(tmp_path, "process 2 of bob@desk") as (_, said):
            assert said == host_lock.HELD


@pytest.mark.parametrize(
    ("says", "other"), [("held", None), ("process 1", "process 1"), ("", None)]
)
def test_what_a_run_makes_of_it(
    monkeypatch: pytest.MonkeyPatch, says: str, other: str | None
) -> None:
    monkeypatch.setattr(host_lock, "script", lambda holder: f"echo '{says}'")
    host = _this_machine()
    assert host_lock.take(host, sudo=False) == other
    assert (host in host_lock._held) == (says == "held")


def test_it_is_taken_once_a_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    monkeypatch.setattr(host_lock, "script", lambda holder: f"echo x >>{taken}; echo held")
    host = _this_machine()
    assert (host_lock.take(host, sudo=False), host_lock.take(host, sudo=False)) == (None, None)
    assert taken.read_text() == "x\n"


class _Here:
    """This machine, as pyinfra's @local."""

    connector = LocalConnector.__new__(LocalConnector)


def _this_machine() -> Host:
    return cast(Host, _Here())
