"""Hostile texts at every key that accepts them: what is rendered is read by the real parsers.

A file that differs from a harmless site's and has no parser here fails the test, so whoever lets
a text into another file has to say who reads it.
"""

import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from mattermost_host.components.mattermost import ENVIRONMENT_FILE
from mattermost_host.knowledge import mattermost_settings
from mattermost_host.ops.entries import File
from tests.unit.parsers import needs
from tests.unit.site.test_every_value import KEYS, mistakes_of, site_with
from tests.unit.site.whole import planned
from tests.unit.test_hostile import HOSTILE

OF_THE_CONTROL_MACHINE = (
    ("drift", "mail", "username"),
    ("drift", "metrics_directory"),
    ("skip",),
)
"""Keys whose texts are no part of a host's files: what accepts them is here, and nothing else."""
VARIABLE = "TRIED"
STRINGS = tuple(
    name for name, one in mattermost_settings.known().items() if one.type_in("11.7.9") == "string"
)


def _shapes(key: tuple[str, ...], text: str) -> Iterator[Any]:
    yield text
    yield [text]
    yield {text: "because"} if key == ("skip",) else {VARIABLE: text}


@pytest.mark.parametrize("key", KEYS, ids=".".join)
def test_only_few_keys_accept_a_hostile_text(key: tuple[str, ...]) -> None:
    accepted = any(
        not mistakes_of(site_with(key, shape)) for text in HOSTILE for shape in _shapes(key, text)
    )
    assert accepted == (key in (*OF_THE_CONTROL_MACHINE, ("mattermost", "environment")))


def _settings(text: str) -> dict[str, str]:
    """All of Mattermost's own settings that accept the text."""
    stated = dict.fromkeys(STRINGS, text)
    refused = mattermost_settings.mistakes(stated, "11.7.9", site_url="https://chat.example.com")
    wrong = {mistake.path.split('"')[1] for mistake in refused}
    return {name: text for name in stated if name not in wrong}


def _files(described: Mapping[str, Any], folder: Path, patch: pytest.MonkeyPatch) -> dict[str, str]:
    folder.mkdir()
    with patch.context() as patched:
        entries = planned(described, folder, patched).entries
    return {
        one.path: one.data.decode()
        for one in entries
        # Certificates and keys are made anew for each.
        if isinstance(one, File) and not one.path.endswith(".pem")
    }


def _as_variables(content: str, folder: Path) -> dict[str, str]:
    """What systemd hands to a process; sh reads what stands in double quotes in the same way."""
    file = folder / "environment"
    file.write_text(content)
    script = 'set -a; . "$1"; env -0'
    argv = [needs("env"), "-i", needs("sh"), "-c", script, "sh", str(file)]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    return dict(one.split("=", 1) for one in done.stdout.split("\0") if one)


PARSERS: Mapping[str, Callable[[str, Path], dict[str, str]]] = {ENVIRONMENT_FILE: _as_variables}


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_what_is_accepted_arrives_as_it_was_written(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = {VARIABLE: text}
    if mistakes_of(site_with(("mattermost", "environment"), environment)):
        environment = {}
    settings = _settings(text)
    plain = {VARIABLE: "x"} if environment else {}
    harmless = {"mattermost": {"settings": dict.fromkeys(settings, "x"), "environment": plain}}
    if mistakes_of({**site_with(("users",), 500), **harmless}):
        harmless = {"mattermost": {"environment": plain}}
    before = _files(harmless, tmp_path / "harmless", monkeypatch)
    hostile = {"mattermost": {"settings": settings, "environment": environment}}
    after = _files(hostile, tmp_path / "hostile", monkeypatch)
    assert before.keys() == after.keys()
    differing = {path for path in after if after[path] != before[path]}
    assert differing <= PARSERS.keys(), "no parser is known for a file that the text reached"
    stated = {mattermost_settings.environment_name(name): text for name in settings} | environment
    for path in differing:
        assert stated.items() <= PARSERS[path](after[path], tmp_path).items()


def test_many_settings_are_tried() -> None:
    assert len(_settings("a b")) > 100
