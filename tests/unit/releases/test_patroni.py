"""Patroni's wheel on the control machine: by pip, by file, and what is refused."""

import hashlib
import sys
from pathlib import Path

import pytest

from mattermost_host.knowledge.patroni import SHA256, VERSION, WHEEL
from mattermost_host.releases import patroni
from mattermost_host.releases.source import ReleaseError

CONTENT = "a wheel\n"
DIGEST = hashlib.sha256(CONTENT.encode()).hexdigest()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache is a folder of this test, and the wheel's content is ours."""
    monkeypatch.setattr(patroni, "CACHE", tmp_path)
    monkeypatch.setattr(patroni, "SHA256", DIGEST)
    return tmp_path


def _python(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> Path:
    """A Python whose pip does this; its arguments are noted."""
    program = folder / "python"
    program.write_text(f'#!/bin/sh\necho "$@" >>{folder}/called\n{script}\n')
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    return folder / "called"


PUT = f"""cat "${{12}}" >>"$(dirname "$0")/called"
printf '{CONTENT.strip()}\\n' >"${{10}}/{WHEEL}\""""


def test_the_digest_is_one() -> None:
    assert len(bytes.fromhex(SHA256)) == 32
    assert VERSION in WHEEL


def test_pip_gets_it_once_by_name_version_and_digest(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    called = _python(folder, monkeypatch, PUT)
    wheel = patroni.wheel(None)
    first, second = wheel.fetch(), wheel.fetch()
    assert (first, first.sha256) == (second, DIGEST)
    assert first.path == folder / "patroni" / WHEEL
    assert [path.name for path in first.path.parent.iterdir()] == [WHEEL]
    command, wanted = called.read_text().splitlines()
    assert command.startswith("-m pip ")
    assert {"download", "--no-deps", "--require-hashes"} <= set(command.split())
    assert wanted == f"patroni=={VERSION} --hash=sha256:{DIGEST}"


def test_a_damaged_one_in_the_cache_is_fetched_anew(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _python(folder, monkeypatch, PUT)
    kept = folder / "patroni" / WHEEL
    kept.parent.mkdir()
    kept.write_text("damaged")
    assert patroni.wheel(None).fetch().path.read_text() == CONTENT


def test_a_file_needs_no_pip(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    called = _python(folder, monkeypatch, "exit 1")
    file = folder / "mine.whl"
    file.write_text(CONTENT)
    assert patroni.wheel(str(file)).fetch().path == file
    assert not called.exists()


def test_another_file_is_refused_with_both_digests(folder: Path) -> None:
    file = folder / "mine.whl"
    file.write_text("another")
    with pytest.raises(ReleaseError) as refused:
        patroni.wheel(str(file)).fetch()
    found = hashlib.sha256(b"another").hexdigest()
    assert str(refused.value) == (
        f"{file} has the SHA-256 {found}, and {DIGEST} was expected: it is not {WHEEL}, or "
        "somebody changed it. Do not deploy it; get the file where there is a way, by "
        f"`pip download --no-deps patroni=={VERSION}`, and state its path as `patroni.wheel`."
    )


def test_a_file_that_went_away_is_named(folder: Path) -> None:
    with pytest.raises(ReleaseError, match=r"/gone\.whl cannot be used: No such file"):
        patroni.wheel(f"{folder}/gone.whl").fetch()


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        ("echo '/x/python: No module named pip' >&2; exit 1", "has no pip, which fetches Patroni"),
        (
            "echo 'ERROR: No matching distribution found for patroni' >&2; exit 1",
            "cannot be fetched: No matching distribution found for patroni. Give this machine",
        ),
        ("exit 3", "cannot be fetched: pip ended with 3. Give this machine a way to PyPI"),
        ("sleep 5", "cannot be fetched: pip has not ended within 1 s. Run again, or get the file"),
        (f'echo other >"${{10}}/{WHEEL}"', "has the SHA-256 "),
    ],
)
def test_what_fails_is_a_sentence_and_leaves_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch, script: str, sentence: str
) -> None:
    monkeypatch.setattr(patroni, "LIMIT_S", 1)
    _python(folder, monkeypatch, script)
    with pytest.raises(ReleaseError) as refused:
        patroni.wheel(None).fetch()
    assert sentence in str(refused.value)
    assert "`patroni.wheel`" in str(refused.value)
    assert list((folder / "patroni").iterdir()) == []
