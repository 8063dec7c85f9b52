"""An upgrade that is cut off at any step: the server runs, the next command goes on or back."""

import subprocess
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.lab.deployment import BIN, QUIET, Deployment, Run
from tests.lab.hosts import Lab
from tests.lab.runbook import typed
from tests.lab.shell import wait_until
from tests.lab.upgrades import (
    JOURNAL,
    LEFT,
    NEW,
    OLD,
    UNIT,
    Written,
    all_there,
    current,
    released,
    rollback,
    state,
    upgrade,
    write,
)
from tests.standin.build import build

CUTS = [
    ("prepares", "upgrade"),
    ("stops", "upgrade"),
    ("stops", "rollback"),
    ("switches", "upgrade"),
    ("switches", "rollback"),
    ("starts", "upgrade"),
    ("starts", "rollback"),
    ("going-back", "upgrade"),
    ("going-back", "rollback"),
]

WAYS = {"upgrade": upgrade, "rollback": rollback}


@pytest.fixture(scope="module")
def tarballs(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """Two versions with a schema between them, and a new one that is left again."""
    folder = tmp_path_factory.mktemp("releases")
    sound = {version: build(folder, version) for version in (OLD, NEW)}
    return {**sound, "broken": build(folder, NEW, ["refuses-posts"])}


@pytest.fixture(scope="module")
def deployment(
    lab: Lab, tarballs: Mapping[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    """A site with the old version."""
    made = Deployment(lab, lab.up("cutoff"), tmp_path_factory.mktemp("cutoff"), tarballs[OLD])
    made.deploy()
    yield made


@pytest.fixture(scope="module")
def written(deployment: Deployment) -> list[Written]:
    """What users wrote before."""
    return [write(deployment)]


def _cut_at(deployment: Deployment, step: str) -> Run:
    """Upgrade, and kill the program on the host when its journal says ``step``."""
    deployment.host.run(f"rm -f {JOURNAL}")
    kill = f"until grep -qs '^step={step}$' {JOURNAL}; do :; done; systemctl kill -s KILL {UNIT}"
    killer = threading.Thread(target=deployment.host.run, args=(kill,))
    killer.start()
    done = upgrade(deployment)
    killer.join()
    return done


def _serves(deployment: Deployment, written: list[Written]) -> None:
    deployment.wait_healthy()
    assert "mattermost_hold" not in deployment.host.run("nft list tables").stdout
    assert deployment.host.run(LEFT).stdout == ""
    all_there(deployment, written)


def _asked(deployment: Deployment) -> str:
    """What an operator reads who then says no."""
    done = subprocess.run(
        [BIN / "mattermost-host", "upgrade", deployment.inventory],
        cwd=deployment.folder,
        env=QUIET,
        input="n\n",
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=300,
        check=False,
    )
    return " ".join(done.stdout.split())


@pytest.mark.parametrize(("step", "way"), CUTS)
def test_after_each_step(
    deployment: Deployment,
    tarballs: Mapping[str, Path],
    written: list[Written],
    step: str,
    way: str,
) -> None:
    state(deployment, tarballs["broken" if step == "going-back" else NEW])
    cut = _cut_at(deployment, step)
    print(cut.output)
    assert cut.status == 1
    assert "The move was cut off: run upgrade again to go on, or rollback to go back." in cut.words
    assert "the run continues where it stopped" not in cut.words
    _serves(deployment, written)
    said = _asked(deployment)
    if step != "prepares":
        assert f"was cut off at the step {step}" in said
        assert "forward by this command again, back by `mattermost-host rollback`" in said
    done = WAYS[way](deployment)
    print(done.output)
    if step == "going-back" and way == "upgrade":
        assert done.status == 1
        assert "serves again, as before the upgrade" in done.words
    else:
        assert done.status == 0, done.output
    forward = way == "upgrade" and step != "going-back"
    assert f"/{NEW if forward else OLD}-" in current(deployment)
    released(deployment)
    _serves(deployment, written)
    if forward:
        back = rollback(deployment)
        assert back.status == 0, back.output
        _serves(deployment, written)


def test_no_room_for_the_restore_point(
    deployment: Deployment, tarballs: Mapping[str, Path], written: list[Written]
) -> None:
    state(deployment, tarballs[NEW])
    folder = "/opt/mattermost/upgrade"
    deployment.host.run(f"mkdir -p -m 700 {folder}; mount -t tmpfs -o size=192k tmpfs {folder}")
    fill = "head -c 64k /dev/zero >/opt/mattermost/upgrade/others"
    deployment.host.run(fill)
    try:
        done = upgrade(deployment)
        print(done.output)
    finally:
        deployment.host.run("umount /opt/mattermost/upgrade")
    assert done.status == 1
    assert f"{OLD}-" in done.words
    assert "serves again, and nothing was changed: " in done.words
    assert "No space left on device" in done.words
    assert f"/{OLD}-" in current(deployment)
    released(deployment)
    _serves(deployment, written)


def test_a_host_without_power_in_the_middle(
    deployment: Deployment, tarballs: Mapping[str, Path], written: list[Written]
) -> None:
    state(deployment, tarballs[NEW])
    deployment.host.run(f"rm -f {JOURNAL}")
    command = deployment.command(*typed("Upgrade to another release", deployment), "--yes")
    starts = f"grep -qs '^step=starts$' {JOURNAL}"
    with subprocess.Popen(command, cwd=deployment.folder, stdout=subprocess.DEVNULL) as run:
        wait_until(lambda: deployment.host.run(starts, check=False).returncode == 0, 120, "starts")
        deployment.lab.crash(deployment.host)
        assert run.wait(timeout=120) == 1
    deployment.lab.start(deployment.host)
    deployment.wait_healthy()
    all_there(deployment, written)
    assert "was cut off at the step starts" in _asked(deployment)
    done = upgrade(deployment)
    assert done.status == 0, done.output
    assert f"/{NEW}-" in current(deployment)
    released(deployment)
    _serves(deployment, written)
    assert deployment.deploy().changed == ()
    assert rollback(deployment).status == 0
