"""A file that somebody else may exchange: read to a limit, and only where it is a file."""

import os
from pathlib import Path

import pytest

from mattermost_host.facts.file_text import LIMIT_BYTES, FileText
from tests.unit import local


def _read(path: Path) -> str:
    return local.ask_here(FileText(str(path)))


def test_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "it's -n.pem"
    path.write_text("a\nb\n")
    assert _read(path) == "a\nb"


def test_no_more_than_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "large"
    path.write_text("x" * (LIMIT_BYTES + 5))
    assert len(_read(path)) == LIMIT_BYTES


@pytest.mark.parametrize("kind", ["nothing", "folder", "pipe", "endless device"])
def test_what_is_no_file_is_not_read(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "here"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "endless device":
        path.symlink_to("/dev/zero")
    assert _read(path) == ""
