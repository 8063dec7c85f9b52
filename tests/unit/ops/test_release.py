"""A release on the host: unpacked aside, named last, switched by one rename, old ones pruned."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mattermost_host.engine import explanations
from mattermost_host.engine.run import Run
from mattermost_host.ops.release_state import (
    CURRENT,
    MANIFESTS,
    RELEASES,
    UNFINISHED,
    UPLOADS,
    Found,
    ReleaseState,
)
from mattermost_host.releases.choice import Release
from mattermost_host.releases.download import Tarball
from mattermost_host.releases.source import ReleaseError
from tests.unit.fake_host import Plan, _fake_host, answering, apply, plan
from tests.unit.ops.release_host import DONE, NOTHING_TO_DO, Host, deploy, never

NEW = "11.7.9"


RIGHT: dict[str, Any] = {
    "releases": (NEW, "11.7.8"),
    "current": f"releases/{NEW}",
    "noted": NEW,
    "tarball": "ab",
}


def _plan(fetch: Callable[[str], Tarball] = never, **found: Any) -> Plan:
    state = Found(**found)
    return plan(lambda: deploy(Release(NEW, fetch)), answer=answering({ReleaseState(NEW): state}))


def test_nothing_to_do() -> None:
    assert _plan(**RIGHT).changed == []


def test_a_fresh_host_gets_the_tarball_and_the_link(tmp_path: Path) -> None:
    tarball = tmp_path / "x.tar.gz"
    tarball.touch()
    wanted = Release(NEW, lambda _: Tarball(tarball, "cd" * 32))
    done = apply(lambda: deploy(wanted), answer=answering({ReleaseState(NEW): Found()}))
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


def test_a_plan_that_is_carried_out_fetches_before_the_first_change() -> None:
    asked: list[str] = []

    def fetch(noted: str) -> Tarball:
        asked.append(noted)
        raise ReleaseError("it can't be had")

    answer = answering({ReleaseState(NEW): Found()})
    with _fake_host(Plan(), answer, None, yes=False) as (state, _), explanations.collecting():
        state.check_for_changes = False
        deploy(Release(NEW, fetch))
        run = Run(state)
        assert any(one.will_change for ones in run.operations().values() for one in ones)
        assert asked == []
        with pytest.raises(ReleaseError):
            run.execute()
        assert asked == [""]
        assert not state.is_executing


def test_the_release_that_the_way_back_needs_is_kept() -> None:
    found = {**RIGHT, "releases": (NEW, "11.7.8", "11.7.7"), "previous": "11.7.7"}
    pruning = _plan(**found).step("pruned").shell
    assert f"{RELEASES}/11.7.8" in pruning
    assert f"{RELEASES}/11.7.7" not in pruning
    said = ["there=d root 755 1.0 /opt/mattermost/releases\t", "previous=11.7.7"]
    assert ReleaseState(NEW).parse(said).previous == "11.7.7"
