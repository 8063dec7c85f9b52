"""A release on the host: unpacked aside, named last, switched by one rename, old ones pruned."""

import getpass
import io
import os
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mattermost_host.engine import explanations
from mattermost_host.engine.run import Run
from mattermost_host.ops import release, release_state
from mattermost_host.ops.release_scripts import LOCK, UNKNOWN
from mattermost_host.ops.release_state import (
    CURRENT,
    HOME,
    MANIFESTS,
    RELEASES,
    UNFINISHED,
    UPLOADS,
    Found,
    ReleaseState,
)
from mattermost_host.releases.choice import Release
from mattermost_host.releases.download import Tarball, sha256_of
from mattermost_host.releases.source import ReleaseError
from tests.unit import local
from tests.unit.fake_host import Plan, _fake_host, answering, apply, plan

NEW = "11.7.9"
STEPS = ("unpacked", "switched", "pruned")
RIGHT: dict[str, Any] = {
    "releases": (NEW, "11.7.8"),
    "current": f"releases/{NEW}",
    "noted": NEW,
    "tarball": "ab",
}


def _never(_: str) -> Tarball:
    raise AssertionError("the host has the release; nothing is to be fetched")


def _deploy(wanted: Release) -> None:
    release.unpacked(name="unpacked", release=wanted)
    release.switched(name="switched", release=wanted)
    release.pruned(name="pruned", release=wanted)


def _plan(fetch: Callable[[str], Tarball] = _never, **found: Any) -> Plan:
    state = Found(**found)
    return plan(lambda: _deploy(Release(NEW, fetch)), answer=answering({ReleaseState(NEW): state}))


def test_nothing_to_do() -> None:
    assert _plan(**RIGHT).changed == []


def test_a_fresh_host_gets_the_tarball_and_the_link(tmp_path: Path) -> None:
    tarball = tmp_path / "x.tar.gz"
    tarball.touch()
    wanted = Release(NEW, lambda _: Tarball(tarball, "cd" * 32))
    done = apply(lambda: _deploy(wanted), answer=answering({ReleaseState(NEW): Found()}))
    assert done.changed == ["unpacked", "switched"]
    ((destination, source),) = done.step("unpacked").uploads.items()
    assert destination.startswith(UPLOADS)
    assert source == str(tarball)
    unpacking = done.step("unpacked").shell
    assert unpacking.index(f"{'cd' * 32}  ") < unpacking.index("tar -xzf")
    assert f"ln -sfn releases/{NEW}" in done.step("switched").shell


def test_a_plan_fetches_nothing() -> None:
    assert _plan().changed == ["unpacked", "switched"]


def test_a_moved_link_is_moved_back_without_fetching() -> None:
    done = _plan(**{**RIGHT, "current": "releases/11.7.8"})
    assert done.changed == ["switched"]
    assert f"mv -fT {CURRENT}~ {CURRENT}" in done.shell


@pytest.mark.parametrize(
    ("newest_first", "pruned"),
    [
        ((NEW,), []),
        ((NEW, "11.7.8"), []),
        ((NEW, "11.7.8", "11.7.7", "10.11.1"), ["11.7.7", "10.11.1"]),
        # The way back: the wanted release is an old one, and the newest other stays.
        (("11.8.0", "11.7.10", NEW), ["11.7.10"]),
    ],
)
def test_the_last_two_stay(newest_first: tuple[str, ...], pruned: list[str]) -> None:
    result = _plan(**{**RIGHT, "releases": newest_first})
    assert result.changed == (["pruned"] if pruned else [])
    for folder in pruned:
        assert f"rm -rf -- {RELEASES}/{folder}" in result.shell
        assert f"rm -rf -- {MANIFESTS}/{folder}" in result.shell


def test_the_release_that_runs_is_not_pruned_however_old() -> None:
    found = {**RIGHT, "releases": ("11.8.0", NEW, "11.7.8"), "current": "releases/11.7.8"}
    assert "11.7.8" not in _plan(**found).step("pruned").shell


def test_leftovers_of_a_killed_run_are_removed() -> None:
    done = _plan(**RIGHT, leftovers=(f"{UPLOADS}1",))
    assert done.changed == ["pruned"]
    assert f"rm -rf {UNFINISHED}* {UPLOADS}*" in done.shell


class Host:
    """The folder /opt/mattermost of a host, in a temporary folder, and its real shell."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.home = folder / "opt"
        self.home.mkdir()
        for name in ("releases", "manifests"):
            (self.home / name).mkdir()
        self.programs = folder / "programs"
        local.program(self.programs, "runuser", 'shift 3; exec "$@"')
        local.program(self.programs, "chown", "true")

    def tarball(self, version: str, *, server: str | None = "exit 0") -> Release:
        """A release of the vendor's layout; ``server`` is what its binary does."""
        path = self.folder / f"{version}.tar.gz"
        with tarfile.open(path, "w:gz") as archive:
            files = {
                "client/main.js": b"x" * 5000,
                "client/deep/er/part.css": b"y",
                "client/with space.txt": b"z",
                "README": version.encode(),
            }
            if server is not None:
                files["bin/mattermost"] = f"#!/bin/sh\n{server}\n".encode()
            for name, content in files.items():
                member = tarfile.TarInfo(f"mattermost/{name}")
                member.size, member.mode, member.uid = len(content), 0o775, 2000
                archive.addfile(member, io.BytesIO(content))
            link = tarfile.TarInfo("mattermost/client/link")
            link.type, link.linkname = tarfile.SYMTYPE, "with space.txt"
            archive.addfile(link)
        return Release(version, lambda _: Tarball(path, sha256_of(path)))

    def ask(self, question: ReleaseState) -> Found:
        answer = local.ask_here(question, self.programs, {HOME: self.home})
        assert isinstance(answer, Found)
        return Found(
            **{
                **answer.__dict__,
                "leftovers": tuple(one.replace(str(self.home), HOME) for one in answer.leftovers),
            }
        )

    def deploy(
        self, wanted: Release, on_the_way: Callable[[bytes], bytes] = bytes
    ) -> tuple[int, str]:
        """Exit status and standard error of the first command that fails, or of the last.

        ``on_the_way`` is what happens to the tarball between this machine and the host.
        """
        changed = False
        question = ReleaseState(wanted.folder, wanted.by_hash)
        for name in STEPS:
            done = apply(lambda: _deploy(wanted), answer=answering({question: self.ask(question)}))
            step = done.step(name)
            changed = changed or step.changes
            for at, command in enumerate(step.commands):
                if at == 1 and step.uploads:
                    ((destination, source),) = step.uploads.items()
                    arrived = on_the_way(Path(source).read_bytes())
                    (self.home / Path(destination).name).write_bytes(arrived)
                ran = self.run(command)
                if ran.returncode:
                    return ran.returncode, ran.stderr
        return (0, "") if changed else (-1, "")

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        here = command.replace(HOME, str(self.home))
        here = here.replace(LOCK, str(self.folder / "lock"))
        return local.run(here, programs=self.programs)

    def said(self, wanted: Release) -> dict[str, str]:
        """What a plan says is wrong, by path."""
        question = ReleaseState(wanted.folder, wanted.by_hash)
        found = self.ask(question)
        return {
            change.subject.replace(str(self.home), HOME).removeprefix(f"{RELEASES}/"): change.found
            for change in (*release._of_files(wanted, found), *release._of_link(wanted, found))
            if not (found.current == f"releases/{wanted.folder}" and change.subject == CURRENT)
        }

    def tree(self) -> set[str]:
        return {str(path.relative_to(self.home)) for path in self.home.glob("releases/*")} | {
            path.name for path in self.home.iterdir()
        }


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    monkeypatch.setattr(release_state, "OWNER", getpass.getuser())
    # Elsewhere than in HOME, which the answers of this machine name by its own paths.
    monkeypatch.setattr(ReleaseState, "parse", _moved(ReleaseState.parse, tmp_path / "opt"))
    return Host(tmp_path)


def _moved(parse: Callable[..., Found], home: Path) -> Callable[..., Found]:
    return lambda self, lines: parse(self, [line.replace(str(home), HOME) for line in lines])


DONE, NOTHING_TO_DO = (0, ""), (-1, "")


def test_by_the_real_shell_it_converges_and_prunes(host: Host) -> None:
    for second, version in enumerate(("1.0.0", "1.1.0", "1.2.0")):
        wanted = host.tarball(version)
        assert host.deploy(wanted) == DONE
        assert host.deploy(wanted) == NOTHING_TO_DO
        folder = host.home / "releases" / version
        assert (host.home / "current").readlink() == Path("releases", version)
        assert (host.home / "release").read_text() == f"{version}\n"
        assert (folder / "client/main.js.gz").is_file()
        assert not (folder / "client/main.js").stat().st_mode & 0o022
        os.utime(folder, (second, second))
    assert host.tree() == {
        *("releases", "manifests", "current", "release"),
        *("releases/1.1.0", "releases/1.2.0"),
    }
    assert {path.name for path in (host.home / "manifests").iterdir()} == {"1.1.0", "1.2.0"}


def _deployed(host: Host) -> set[str]:
    assert host.deploy(host.tarball("1.0.0")) == DONE
    return host.tree()


def _still(host: Host, tree: set[str]) -> None:
    assert (host.home / "current" / "README").read_text() == "1.0.0"
    assert host.tree() == tree, "something was left behind"


@pytest.mark.parametrize("damage", [lambda data: data[:-10], lambda data: data[:-1] + b"x"])
def test_what_arrives_damaged_leaves_the_old_release(
    host: Host, damage: Callable[[bytes], bytes]
) -> None:
    tree = _deployed(host)
    status, error = host.deploy(host.tarball("1.1.0"), damage)
    assert status != 0
    assert "checksum did NOT match" in error
    _still(host, tree)


@pytest.mark.parametrize("server", ["exit 126", None])
def test_a_binary_that_does_not_run_here_leaves_the_old_release(
    host: Host, server: str | None
) -> None:
    tree = _deployed(host)
    status, error = host.deploy(host.tarball("1.1.0", server=server))
    assert status != 0
    assert "the server binary does not run on this host" in error
    _still(host, tree)


# The files of a release


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
    assert "has no manifest" in host.said(wanted)["1.0.0"]
    assert host.deploy(wanted) == DONE
    assert host.said(wanted) == {}
    assert (host.home / "releases/1.0.0/README").read_text() == "1.0.0"


def test_a_strange_file_is_not_read_however_large(host: Host) -> None:
    wanted = host.tarball("1.0.0")
    assert host.deploy(wanted) == DONE
    read = host.folder / "read"
    local.program(host.programs, "sha256sum", f"echo read >{read}")
    with (host.home / "releases/1.0.0/huge").open("w") as file:
        file.truncate(2**40)
    assert host.said(wanted) == {"1.0.0/huge": "is no part of the release"}
    assert not read.exists()


def test_what_was_only_touched_is_listed_again_without_a_tarball(host: Host) -> None:
    wanted = host.tarball("1.0.0")
    assert host.deploy(wanted) == DONE
    (host.home / "releases/1.0.0/README").touch()
    assert host.said(wanted) == {"1.0.0/README": release_state.TOUCHED}
    assert host.deploy(Release("1.0.0", _never)) == DONE
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
    wanted = Release(_without_manifest(host).folder, _never, can_be_verified=False)
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


@pytest.mark.parametrize("in_the_way", ["folder", "file", "foreign link", "nothing"])
def test_whatever_stands_in_the_place_of_current_gives_way(host: Host, in_the_way: str) -> None:
    wanted = host.tarball("1.0.0")
    assert host.deploy(wanted) == DONE
    current = host.home / "current"
    current.unlink()
    if in_the_way == "folder":
        current.mkdir()
        (current / "own").write_text("of somebody")
    elif in_the_way == "file":
        current.write_text("of somebody")
    elif in_the_way == "foreign link":
        current.symlink_to("/srv/elsewhere")
    assert CURRENT in host.said(wanted)
    assert host.deploy(wanted) == DONE
    assert current.readlink() == Path("releases/1.0.0")
    kept = list(host.home.glob("current.moved-*"))
    assert len(kept) == (in_the_way in ("folder", "file"))
    assert host.deploy(wanted) == NOTHING_TO_DO


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


def test_a_plan_that_is_carried_out_fetches_before_the_first_change() -> None:
    asked: list[str] = []

    def fetch(noted: str) -> Tarball:
        asked.append(noted)
        raise ReleaseError("it can't be had")

    answer = answering({ReleaseState(NEW): Found()})
    with _fake_host(Plan(), answer, None, yes=False) as (state, _), explanations.collecting():
        state.check_for_changes = False
        _deploy(Release(NEW, fetch))
        run = Run(state)
        assert any(one.will_change for ones in run.operations().values() for one in ones)
        assert asked == []
        with pytest.raises(ReleaseError):
            run.execute()
        assert asked == [""]
        assert not state.is_executing
