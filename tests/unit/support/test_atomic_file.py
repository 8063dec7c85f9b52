"""Files of the control machine: what stands in the way of one is a sentence, and stays."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from mattermost_host.support.atomic_file import read_private, read_public, replace
from mattermost_host.support.errors import OperatorError


def _device(path: Path) -> None:
    try:
        os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("needs root: makes a device")


def _huge(path: Path) -> None:
    path.touch(0o600)
    os.truncate(path, 1 << 40)


def _fifo(path: Path) -> None:
    os.mkfifo(path, 0o600)


@pytest.mark.parametrize("linked", [False, True])
@pytest.mark.parametrize("make", [_fifo, _device, _huge, Path.mkdir])
def test_nobody_waits_for_what_does_not_end(
    tmp_path: Path, make: Callable[[Path], None], linked: bool
) -> None:
    path = tmp_path / "file"
    make(tmp_path / "real" if linked else path)
    if linked:
        path.symlink_to("real")
    for read in (read_private, read_public):
        with pytest.raises(
            OperatorError, match=r"bring the file back|larger than 16 MB|Is a directory"
        ):
            read(path)


@pytest.mark.parametrize("make", [_fifo, _device, Path.mkdir])
def test_what_is_no_file_stays(tmp_path: Path, make: Callable[[Path], None]) -> None:
    """Root that follows a link to a device would take it away from everybody."""
    make(tmp_path / "real")
    (tmp_path / "file").symlink_to("real")
    kind = stat.S_IFMT((tmp_path / "real").stat().st_mode)
    with pytest.raises(OperatorError, match="is not a file"):
        replace(tmp_path / "file", "text", 0o600)
    assert stat.S_IFMT((tmp_path / "real").stat().st_mode) == kind


@pytest.mark.parametrize("umask", [0, 0o077, 0o777])
def test_a_file_has_its_mode_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        replace(tmp_path / "file", "text", 0o644)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o644
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_link_to_a_file_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("old")
    (tmp_path / "file").symlink_to("real")
    replace(tmp_path / "file", "new", 0o600)
    assert (tmp_path / "file").is_symlink()
    assert (tmp_path / "real").read_text() == "new"
