"""Patroni on a host: kept as it was unpacked, by the real shell in a temporary folder."""

import hashlib
import zipfile
from pathlib import Path

import pytest

from mattermost_host.knowledge.patroni import SHA256, VERSION
from mattermost_host.ops import patroni_program as program
from mattermost_host.ops.patroni_program import AskProgram, Found
from mattermost_host.releases.download import Tarball
from mattermost_host.releases.patroni import PatroniWheel
from tests.unit import local
from tests.unit.fake_host import Plan, answering, apply, plan

WHEEL = PatroniWheel(SHA256, lambda: Tarball(Path("/patroni.whl"), SHA256))
RIGHT = Found(SHA256, there=True, compiled=True, unchanged=True)
MODULES = ("patroni/__init__", "patroni/__main__", "patroni/ctl", "patroni/dcs/etcd3", "psycopg2")


def _planned(found: Found) -> Plan:
    return apply(
        lambda: program.unpacked(name="Patroni is unpacked", wheel=WHEEL),
        answer=answering({AskProgram(): found}),
    )


def test_as_it_was_unpacked_nothing_is_done() -> None:
    assert _planned(RIGHT).changed == []


@pytest.mark.parametrize(
    "found",
    [
        Found(),
        Found(SHA256),
        Found("cd" * 32, there=True, compiled=True, unchanged=True),
        Found(SHA256, there=True, compiled=True),
        Found(SHA256, there=True, unchanged=True),
    ],
)
def test_anything_else_is_put_right_from_the_wheel(found: Found) -> None:
    (step,) = _planned(found).steps
    assert list(step.uploads.values()) == ["/patroni.whl"]
    assert f"echo '{SHA256}  " in step.shell


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        (Found(SHA256), "is missing"),
        (Found(there=True), "was not unpacked to its end"),
        (Found("cd" * 32, there=True, unchanged=True), "is of another release"),
        (Found(SHA256, there=True), "was changed since it was unpacked"),
        (Found(SHA256, there=True, unchanged=True), "was compiled for another Python"),
    ],
)
def test_a_plan_says_why(found: Found, sentence: str) -> None:
    assert program._difference(found, WHEEL).found == sentence


def test_a_plan_fetches_nothing() -> None:
    def never() -> Tarball:
        raise AssertionError("fetched")

    def wanted() -> None:
        program.unpacked(name="Patroni is unpacked", wheel=PatroniWheel(SHA256, never))

    assert plan(wanted).changed == ["Patroni is unpacked"]


def _unpack(folder: Path, *, modules: tuple[str, ...] = MODULES, digest: str = "") -> int:
    """The script by the real shell, of a wheel with these modules."""
    folder.mkdir(exist_ok=True)
    arrived = folder / ".arrived"
    with zipfile.ZipFile(arrived, "w") as archive:
        for one in (*modules, "patroni/dcs/__init__"):
            archive.writestr(f"{one}.py", "")
    digest = digest or hashlib.sha256(arrived.read_bytes()).hexdigest()
    script = program._unpack(f"{program.FOLDER}/.arrived", digest)
    done = local.run(local.moved(script, {program.FOLDER: folder}))
    assert not list(folder.glob(".arrived*"))
    return done.returncode


def _asked(folder: Path) -> Found:
    return local.ask_here(AskProgram(), places={program.FOLDER: folder})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "patroni"
    assert _asked(made) == Found()
    assert _unpack(made) == 0
    found = _asked(made)
    assert found == Found(found.wheel, there=True, compiled=True, unchanged=True)
    assert len(found.wheel) == 64
    return made


def _library(folder: Path) -> Path:
    return folder / VERSION


def test_others_may_read_it_and_only_root_writes(folder: Path) -> None:
    modes = {path.stat().st_mode & 0o777 for path in (folder, *folder.rglob("*"))}
    assert modes == {0o755, 0o644}
    assert list(_library(folder).glob("patroni/__pycache__/ctl.*.pyc"))


def test_a_changed_file_is_seen_and_healed(folder: Path) -> None:
    module = _library(folder) / "patroni" / "ctl.py"
    module.write_text("#")
    assert not _asked(folder).unchanged
    assert _unpack(folder) == 0
    assert module.read_text() == ""
    assert _asked(folder).unchanged


def test_a_file_too_many_is_seen(folder: Path) -> None:
    (_library(folder) / "click.py").touch()
    assert not _asked(folder).unchanged


def test_a_changed_mode_is_seen_though_it_was_put_back(folder: Path) -> None:
    module = _library(folder) / "psycopg2.py"
    module.chmod(0o666)
    module.chmod(0o644)
    assert not _asked(folder).unchanged


def test_an_interrupted_installation_is_seen_and_healed(folder: Path) -> None:
    (folder / "unpacked").unlink()
    assert _asked(folder) == Found(there=True)
    assert _unpack(folder) == 0
    assert _asked(folder).unchanged
    (folder / VERSION).rename(folder / ".arrived-1.old")
    assert not _asked(folder).there


def test_another_python_is_seen(folder: Path) -> None:
    note = folder / "unpacked"
    wheel, _, listed = note.read_text().splitlines()
    note.write_text(f"{wheel}\n/usr/bin/python3.9\n{listed}\n")
    found = _asked(folder)
    assert (found.compiled, found.unchanged) == (False, True)


@pytest.mark.parametrize(("modules", "digest"), [(("patroni/__init__",), ""), (MODULES, "ab" * 32)])
def test_what_does_not_load_or_is_not_the_wheel_takes_no_place(
    folder: Path, modules: tuple[str, ...], digest: str
) -> None:
    before = _asked(folder)
    assert _unpack(folder, modules=modules, digest=digest) != 0
    assert _asked(folder) == before


def test_its_programs_start_what_was_unpacked(tmp_path: Path) -> None:
    library = tmp_path / VERSION
    (library / "patroni").mkdir(parents=True)
    (library / "patroni" / "__init__.py").touch()
    (library / "patroni" / "ctl.py").write_text("def ctl():\n    print('of ours')\n")
    started = tmp_path / "patronictl"
    text = program._program("patroni.ctl", "ctl")
    started.write_text(local.moved(text, {program.FOLDER: tmp_path}))
    done = local.run(f"python3 -IB {started}")
    assert (done.returncode, done.stdout) == (0, "of ours\n"), done.stderr
    assert not list(tmp_path.rglob("__pycache__"))
