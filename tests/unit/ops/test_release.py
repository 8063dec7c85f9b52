"""A release on the host: unpacked aside, named last, switched by one rename, old ones pruned."""

import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from mattermost_host.ops import release
from mattermost_host.ops.release import HOME, ReleaseState
from mattermost_host.releases.choice import Release
from mattermost_host.releases.download import Tarball, sha256_of
from tests.unit import local
from tests.unit.fake_host import Plan, answering, apply, plan

NEW = "11.7.9"
QUESTION = ReleaseState()


def _never() -> Tarball:
    raise AssertionError("the host has the release; nothing is to be fetched")


def _plan(found: dict[str, list[str]], fetch: Callable[[], Tarball] = _never) -> Plan:
    return plan(
        lambda: release.current(name="it is current", release=Release(NEW, fetch)),
        answer=answering({QUESTION: {"release": [], "current": [], "leftover": [], **found}}),
    )


def test_nothing_to_do() -> None:
    found = {"release": [NEW, "11.7.8"], "current": [f"releases/{NEW}"]}
    assert _plan(found).changed == []


def test_a_fresh_host_gets_the_tarball_and_the_link(tmp_path: Path) -> None:
    tarball = tmp_path / "x.tar.gz"
    tarball.touch()
    step = _plan({}, lambda: Tarball(tarball, "ab" * 32)).step("it is current")
    ((destination, source),) = step.uploads.items()
    assert destination.startswith(release.UPLOADS)
    assert source == str(tarball)
    assert f"ln -sfn releases/{NEW}" in step.shell
    assert step.shell.index("sha256sum -c") < step.shell.index("tar -xzf")


def test_a_moved_link_is_moved_back_without_fetching() -> None:
    step = _plan({"release": [NEW, "11.7.8"], "current": ["releases/11.7.8"]}).steps[0]
    assert step.uploads == {}
    assert f"mv -fT {release.CURRENT}~ {release.CURRENT}" in step.shell


@pytest.mark.parametrize(
    ("newest_first", "pruned"),
    [
        ([NEW], []),
        ([NEW, "11.7.8"], []),
        ([NEW, "11.7.8", "11.7.7", "10.11.1"], ["11.7.7", "10.11.1"]),
        # The way back: the wanted release is an old one, and the newest other stays.
        (["11.8.0", "11.7.10", NEW], ["11.7.10"]),
    ],
)
def test_the_last_two_stay(newest_first: list[str], pruned: list[str]) -> None:
    assert release._prunable(newest_first, NEW) == pruned
    result = _plan({"release": newest_first, "current": [f"releases/{NEW}"]})
    assert bool(result.changed) == bool(pruned)
    for folder in pruned:
        assert f"rm -rf {release.RELEASES}/{folder}" in result.shell


def test_leftovers_of_a_killed_run_are_removed() -> None:
    found = {"release": [NEW], "current": [f"releases/{NEW}"], "leftover": [release.UPLOADS + "1"]}
    assert f"rm -rf {release.UNFINISHED}* {release.UPLOADS}*" in _plan(found).shell


class Host:
    """The folder /opt/mattermost of a host, in a temporary folder, and its real shell."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.home = folder / "opt"
        self.home.mkdir()
        self.programs = folder / "programs"
        local.program(self.programs, "runuser", 'shift 3; exec "$@"')
        local.program(self.programs, "chown", "true")

    def tarball(self, version: str, *, server: str | None = "exit 0") -> Release:
        """A release of the vendor's layout; ``server`` is what its binary does."""
        path = self.folder / f"{version}.tar.gz"
        with tarfile.open(path, "w:gz") as archive:
            files = {"client/main.js": b"x" * 5000, "README": version.encode()}
            if server is not None:
                files["bin/mattermost"] = f"#!/bin/sh\n{server}\n".encode()
            for name, content in files.items():
                member = tarfile.TarInfo(f"mattermost/{name}")
                member.size, member.mode, member.uid = len(content), 0o775, 2000
                archive.addfile(member, io.BytesIO(content))
        return Release(version, lambda: Tarball(path, sha256_of(path)))

    def ask(self) -> dict[str, list[str]]:
        answer = local.ask_here(QUESTION, self.programs, {HOME: self.home})
        assert isinstance(answer, dict)
        return answer

    def deploy(
        self, wanted: Release, on_the_way: Callable[[bytes], bytes] = bytes
    ) -> tuple[int, str]:
        """Exit status and standard error of the first command that fails, or of the last.

        ``on_the_way`` is what happens to the tarball between this machine and the host.
        """
        done = apply(
            lambda: release.current(name="it is current", release=wanted),
            answer=answering({QUESTION: self.ask()}),
        )
        (step,) = done.steps
        for at, command in enumerate(step.commands):
            if at == 1 and step.uploads:
                ((destination, source),) = step.uploads.items()
                arrived = on_the_way(Path(source).read_bytes())
                (self.home / Path(destination).name).write_bytes(arrived)
            here = command.replace(HOME, str(self.home)).replace("/run/lock", str(self.folder))
            ran = local.run(here, programs=self.programs)
            if ran.returncode:
                return ran.returncode, ran.stderr
        return (0, "") if step.changes else (-1, "")

    def tree(self) -> set[str]:
        return {str(path.relative_to(self.home)) for path in self.home.glob("releases/*")} | {
            path.name for path in self.home.iterdir()
        }


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


DONE, NOTHING_TO_DO = (0, ""), (-1, "")


def test_by_the_real_shell_it_converges_and_prunes(host: Host) -> None:
    for second, version in enumerate(("1.0.0", "1.1.0", "1.2.0")):
        wanted = host.tarball(version)
        assert host.deploy(wanted) == DONE
        assert host.deploy(wanted) == NOTHING_TO_DO
        folder = host.home / "releases" / version
        assert (host.home / "current").readlink() == Path("releases", version)
        assert (folder / "client/main.js.gz").is_file()
        assert not (folder / "client/main.js").stat().st_mode & 0o022
        os.utime(folder, (second, second))
    assert host.tree() == {"releases", "releases/1.1.0", "releases/1.2.0", "current"}


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
