"""The files of a release on the host: compared with what was unpacked, and replaced."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from mattermost_host.ops import release_state
from mattermost_host.ops.release_scripts import UNKNOWN
from mattermost_host.ops.release_state import (
    ReleaseState,
)
from mattermost_host.releases.choice import Release
from mattermost_host.releases.download import Tarball
from mattermost_host.releases.source import ReleaseError
from tests.unit import local
from tests.unit.ops.release_host import DONE, NOTHING_TO_DO, Host, never


def _write(text: str) -> Callable[[Path], object]:
    return lambda path: path.write_text(text)


def _same_size_and_times(path: Path) -> None:
    before = path.stat()
    path.write_bytes(b"e" * before.st_size)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "below").write_text("x")


def _link(path: Path) -> None:
    path.unlink()
    path.symlink_to("/etc/passwd")


def _another_link(path: Path) -> None:
    path.unlink()
    path.symlink_to("../README")


TAMPERED: list[tuple[str, Callable[[Path], object], str]] = [
    ("client/main.js", _write("evil"), "has another content"),
    ("client/main.js", _same_size_and_times, "has another content"),
    ("client/main.js.gz", _same_size_and_times, "has another content"),
    ("client/with space.txt", _write("evil"), "has another content"),
    ("client/deep/er/part.css", Path.unlink, "is missing"),
    ("client/new.js", _write("evil"), "is no part of the release"),
    ("bin/mattermost", lambda path: path.chmod(0o4755), "has mode 4755 instead of 755"),
    ("client/deep", lambda path: path.chmod(0o777), "has mode 777 instead of 755"),
    ("README", _folder, "is a directory instead of a file"),
    ("README", _link, "is a symbolic link instead of a file"),
    ("client/link", _another_link, "leads to ../README"),
    (".", lambda path: path.chmod(0o700), "has mode 700 instead of 755"),
    ("client", lambda path: (path / "a\nb").write_text("x"), "holds a file whose name has"),
]


@pytest.mark.parametrize(("name", "tamper", "found"), TAMPERED)
def test_each_file_of_a_release_is_kept_as_it_was_unpacked(
    host: Host, name: str, tamper: Callable[[Path], object], found: str
) -> None:
    wanted = host.tarball("1.0.0")
    assert host.deploy(wanted) == DONE
    folder = host.home / "releases" / "1.0.0"
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    others = [path for path in files if name not in str(path) and name not in (".", "client")]
    untouched = {path: path.stat().st_ino for path in others}
    tamper(folder / name)
    said = host.said(wanted)
    path = "1.0.0" if name == "." else f"1.0.0/{name}"
    assert found in said.get(path, ""), said
    assert host.deploy(wanted) == DONE
    assert host.said(wanted) == {}
    assert host.deploy(wanted) == NOTHING_TO_DO
    assert {path: path.stat().st_ino for path in untouched} == untouched, "others were replaced"
    assert not [one for one in host.tree() if ".new-" in one or ".incoming" in one]
    assert (folder / "client/link").read_text() == "z"
    assert (folder / "client/main.js").read_bytes() == b"x" * 5000


@pytest.mark.parametrize("lost", ["state", "sha256", "tarball"])
def test_a_manifest_that_is_not_whole_is_none(host: Host, lost: str) -> None:
    wanted = host.tarball("1.0.0")
    assert host.deploy(wanted) == DONE
    (host.home / "manifests/1.0.0" / lost).unlink()
    (host.home / "releases/1.0.0/README").write_text("evil.")
    assert "has a manifest that is not as it was written, so" in host.said(wanted)["1.0.0"]
    assert host.deploy(wanted) == DONE
    assert host.said(wanted) == {}
    assert (host.home / "releases/1.0.0/README").read_text() == "1.0.0"


@pytest.mark.parametrize("kept", [*release_state.PARTS, "seal"])
@pytest.mark.parametrize("added", ["garbage\n", f"{'0' * 64}  ./none\n", "\0"])
def test_a_manifest_that_somebody_changed_is_made_again(host: Host, kept: str, added: str) -> None:
    wanted = host.tarball("1.0.0")
    assert host.deploy(wanted) == DONE
    path = host.home / "manifests/1.0.0" / kept
    before = path.read_bytes()
    with path.open("a") as file:
        file.write(added)
    (host.home / "releases/1.0.0/README").write_text("evil.")
    assert "has a manifest that is not as it was written, so" in host.said(wanted)["1.0.0"]
    assert host.deploy(wanted) == DONE
    assert host.said(Release(wanted.folder, wanted.fetch, by_hash=True)) == {}
    assert host.deploy(wanted) == NOTHING_TO_DO
    assert kept in {"state", "seal"} or path.read_bytes() == before
    assert (host.home / "releases/1.0.0/README").read_text() == "1.0.0"


def test_a_pipe_in_a_manifest_is_not_read(host: Host) -> None:
    wanted = host.tarball("1.0.0")
    assert host.deploy(wanted) == DONE
    os.mkfifo(host.home / "manifests/1.0.0/more")
    assert "has a manifest that is not as it was written, so" in host.said(wanted)["1.0.0"]
    assert host.deploy(wanted) == DONE
    assert host.said(wanted) == {}


def test_a_strange_file_is_not_read_however_large(host: Host) -> None:
    wanted = host.tarball("1.0.0")
    assert host.deploy(wanted) == DONE
    read = host.folder / "read"
    local.program(
        host.programs,
        "sha256sum",
        f'[ "$1" = state ] || echo read >{read}\nexec /usr/bin/sha256sum "$@"',
    )
    with (host.home / "releases/1.0.0/huge").open("w") as file:
        file.truncate(2**40)
    assert host.said(wanted) == {"1.0.0/huge": "is no part of the release"}
    assert not read.exists()


def test_what_was_only_touched_is_listed_again_without_a_tarball(host: Host) -> None:
    wanted = host.tarball("1.0.0")
    assert host.deploy(wanted) == DONE
    (host.home / "releases/1.0.0/README").touch()
    assert host.said(wanted) == {"1.0.0/README": release_state.TOUCHED}
    assert host.deploy(Release("1.0.0", never)) == DONE
    assert host.said(wanted) == {}


def test_every_file_is_hashed_where_that_is_asked_for(host: Host) -> None:
    wanted = host.tarball("1.0.0")
    assert host.deploy(wanted) == DONE
    # What the list cannot see: a content that changed under the same change time.
    hashes = host.home / "manifests/1.0.0/sha256"
    lines = [
        f"{'0' * 64}  ./README" if line.endswith("./README") else line
        for line in hashes.read_text().splitlines()
    ]
    hashes.write_text("\n".join(lines) + "\n")
    assert local.run(f"cd {hashes.parent} && {release_state.SEAL} >seal").returncode == 0
    assert host.said(wanted) == {}
    by_hash = Release(wanted.folder, wanted.fetch, by_hash=True)
    assert host.said(by_hash) == {"1.0.0/README": "has another content"}
    current = host.ask(ReleaseState("", by_hash=True))
    assert (current.tarball, current.noted) == (wanted.fetch("").sha256, "1.0.0")
    assert [flaw.path for flaw in current.flaws] == ["./README"]


def _without_manifest(host: Host) -> Release:
    """A release as earlier versions of this product left it."""
    wanted = host.tarball("1.0.0")
    assert host.deploy(wanted) == DONE
    for path in (host.home / "manifests/1.0.0").iterdir():
        path.unlink()
    (host.home / "manifests/1.0.0").rmdir()
    (host.home / "release").unlink()
    return wanted


def test_a_release_without_a_manifest_is_compared_with_its_tarball(host: Host) -> None:
    wanted = _without_manifest(host)
    binary = (host.home / "releases/1.0.0/bin/mattermost").stat()
    (host.home / "releases/1.0.0/client/main.js").write_text("evil")
    said = host.said(wanted)
    assert "has no manifest, so its files are compared with its tarball" in said["1.0.0"]
    assert host.deploy(wanted) == DONE
    assert host.said(wanted) == {}
    assert (host.home / "releases/1.0.0/client/main.js").read_bytes() == b"x" * 5000
    assert (host.home / "releases/1.0.0/bin/mattermost").stat().st_ctime_ns == binary.st_ctime_ns


def test_one_that_nobody_can_verify_is_taken_as_it_is(host: Host) -> None:
    wanted = Release(_without_manifest(host).folder, never, can_be_verified=False)
    assert "its files are taken as they are" in host.said(wanted)["1.0.0"]
    assert host.deploy(wanted) == DONE
    assert host.said(wanted) == {}
    assert (host.home / "manifests/1.0.0/tarball").read_text().strip() == UNKNOWN

    def refused(noted: str) -> Tarball:
        assert noted == UNKNOWN
        raise ReleaseError("nobody has said how to verify it")

    (host.home / "releases/1.0.0/README").write_text("evil")
    with pytest.raises(ReleaseError):
        host.deploy(Release("1.0.0", refused, can_be_verified=False))


def test_where_brotli_is_installed_its_copies_are_part_of_the_release(host: Host) -> None:
    # Not the real one, which not every machine has: the way it is called is what is tested. With
    # -n it leaves out the mode of the source, and nobody but root can read the copy.
    calls = 'case " $* " in *" -n "*) umask 077 ;; esac\n'
    calls += 'for file; do case $file in -* | 9) ;; *) echo small >"$file.br" ;; esac; done'
    local.program(host.programs, "brotli", calls)
    wanted = host.tarball("1.0.0")
    assert host.deploy(wanted) == DONE
    copy = host.home / "releases/1.0.0/client/main.js.br"
    assert copy.stat().st_mode & 0o777 == 0o644
    copy.write_text("evil!\n")
    assert host.said(wanted) == {"1.0.0/client/main.js.br": "has another content"}
    assert host.deploy(wanted) == DONE
    assert copy.read_text() == "small\n"
