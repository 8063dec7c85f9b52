"""Files that an inventory names: each that can't be used is told with its key."""

import os
from pathlib import Path

import pytest

from mattermost_host.support.addresses import file_mistakes


def _said(file: Path | str, most: int = 1024) -> list[str]:
    return [str(one) for one in file_mistakes("tls.key", str(file), most=most)]


def test_a_file_that_will_do(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"x" * 1024)
    assert _said(tmp_path / "key") == []


def test_a_file_that_is_too_large_for_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "image").write_bytes(b"x" * 2048)
    (said,) = _said(tmp_path / "image")
    assert said.endswith("a file of 2 KiB; such a file has at most 1 KiB: name the right one")


NONE = "there is no such file on this machine"


@pytest.mark.parametrize(
    ("name", "needed"),
    [
        (".", "this is a folder: name a file"),
        ("fifo", "this is no regular file: name a file"),
        ("missing", NONE),
        ("\0", NONE),
        ("x" * 5000, NONE),
    ],
)
def test_what_is_no_file(tmp_path: Path, name: str, needed: str) -> None:
    os.mkfifo(tmp_path / "fifo")
    (said,) = _said(f"{tmp_path}/{name}")
    assert said.startswith("tls.key: found ")
    assert said.endswith(f"; {needed}")


def test_a_file_that_can_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "key").touch()

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    (said,) = _said(tmp_path / "key")
    assert said.startswith("tls.key: found ")
    assert said.endswith("this file can't be read by whoever runs this: permission denied")


def test_a_file_of_the_kernel_that_gives_nothing() -> None:
    (said,) = _said("/proc/self/mem")
    assert "tls.key: found '/proc/self/mem'; this file can't be read" in said
