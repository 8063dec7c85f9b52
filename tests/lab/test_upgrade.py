"""An upgrade keeps every post and file, and goes back by itself where the new release fails."""

import hashlib
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator, Mapping
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.lab.deployment import Deployment
from tests.lab.hosts import Lab
from tests.lab.runbook import inline, replaced, typed
from tests.lab.shell import wait_until
from tests.lab.upgrades import (
    JOURNAL,
    KNOWN,
    NEW,
    OLD,
    PLAN,
    PSQL,
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

BROKEN = {
    "exits": "it ended with",
    "fails-after-migrations": "it ended with",
    "refuses-log-ins": "a user could not log in",
    "refuses-posts": "a user could not post",
    "hangs": "it did not get ready",
}
"""Habits of broken releases, and what the operator reads of each."""


@pytest.fixture(scope="module")
def tarballs(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """The stand-in: two versions with a schema between them, and the new one broken in each way."""
    folder = tmp_path_factory.mktemp("releases")
    sound = {version: build(folder, version) for version in (OLD, KNOWN, NEW)}
    return {**sound, **{habit: build(folder, NEW, [habit]) for habit in BROKEN}}


@pytest.fixture(scope="module")
def deployment(
    lab: Lab, tarballs: Mapping[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    """A site with the old version."""
    made = Deployment(lab, lab.up("upgrade"), tmp_path_factory.mktemp("upgrade"), tarballs[OLD])
    made.deploy()
    yield made


@pytest.fixture(scope="module")
def written(deployment: Deployment) -> list[Written]:
    """What users wrote before; each test adds to it."""
    return [write(deployment)]


@pytest.mark.parametrize("habit", BROKEN)
def test_a_broken_release_goes_back_by_itself(
    deployment: Deployment, tarballs: Mapping[str, Path], written: list[Written], habit: str
) -> None:
    before = current(deployment)
    state(deployment, tarballs[habit])
    done = upgrade(deployment)
    print(done.output)
    assert done.status == 1
    assert BROKEN[habit] in done.words
    assert f"{OLD}-" in done.words
    assert "serves again, as before the upgrade" in done.words
    assert current(deployment) == before
    released(deployment)
    all_there(deployment, written)
    written.append(write(deployment))


def test_an_upgrade_keeps_everything(
    deployment: Deployment, tarballs: Mapping[str, Path], written: list[Written]
) -> None:
    state(deployment, tarballs[NEW])
    done = upgrade(deployment)
    print(done.output)
    assert done.status == 0, done.output
    assert "its status, a log-in and a post were tested" in done.words
    seen = re.search(r"Seen through NGINX, .*?: (\d+) of (\d+) failed", done.words)
    assert seen
    assert (int(seen[1]), int(seen[2]) > 4) == (0, True)
    assert f"/{NEW}-" in current(deployment)
    released(deployment)
    all_there(deployment, written)
    assert deployment.deploy().changed == ()
    assert "Nothing had to be changed" in upgrade(deployment).words


def test_an_upgrade_is_taken_back_by_the_saved_plan_with_what_was_written_since(
    deployment: Deployment, tarballs: Mapping[str, Path], written: list[Written]
) -> None:
    # Who logs in now has a hash that the release before refuses.
    written.append(write(deployment))
    done = rollback(deployment)
    print(done.output)
    assert done.status == 0
    assert "The release before serves." in done.words
    assert f"/{OLD}-" in current(deployment)
    assert "by the plan that 11.7.9" in done.words
    released(deployment)
    all_there(deployment, written)
    assert "There is no upgrade to take back" in rollback(deployment).words


def test_an_upgrade_whose_control_machine_is_cut_off_ends_by_itself(
    deployment: Deployment, tarballs: Mapping[str, Path], written: list[Written]
) -> None:
    command = deployment.command(*typed("Upgrade to another release", deployment), "--yes")
    stops = "grep -qs -e step=stops -e step=switches -e step=starts /opt/mattermost/upgrade/journal"
    with subprocess.Popen(command, cwd=deployment.folder, stdout=subprocess.DEVNULL) as cut_off:
        wait_until(lambda: deployment.host.run(stops, check=False).returncode == 0, 120, "it stops")
        cut_off.kill()
    ended = "! systemctl is-active --quiet mattermost-host-upgrade.service"
    wait_until(lambda: deployment.host.run(ended, check=False).returncode == 0, 120, "it has ended")
    assert f"/{NEW}-" in current(deployment)
    assert "Nothing had to be changed" in upgrade(deployment).words
    released(deployment)
    all_there(deployment, written)


def test_nothing_comes_between_where_the_control_machine_died(
    deployment: Deployment, tarballs: Mapping[str, Path], written: list[Written]
) -> None:
    """Another run is refused by the name of the program, which goes on and ends by itself."""
    assert rollback(deployment).status == 0
    state(deployment, tarballs["hangs"])
    command = deployment.command(*typed("Upgrade to another release", deployment), "--yes")
    with subprocess.Popen(command, cwd=deployment.folder, stdout=subprocess.DEVNULL) as cut_off:
        starts = f"grep -qs '^step=starts$' {JOURNAL}"
        wait_until(lambda: deployment.host.run(starts, check=False).returncode == 0, 120, "starts")
        cut_off.kill()
    other = deployment.run(
        "mattermost-host", "apply", str(deployment.inventory), "--yes", check=False
    )
    print(other.output)
    assert other.status == 1
    assert "is being changed by the move of the server between" in other.words
    ended = f"! systemctl is-active --quiet {UNIT}"
    wait_until(lambda: deployment.host.run(ended, check=False).returncode == 0, 240, "it has ended")
    assert f"/{OLD}-" in current(deployment)
    released(deployment)
    all_there(deployment, written)
    state(deployment, tarballs[NEW])
    assert upgrade(deployment).status == 0


def test_a_rollback_that_would_lose_something_is_refused(
    deployment: Deployment, written: list[Written]
) -> None:
    written.append(write(deployment))
    deployment.host.run(f"rm {PLAN}")
    done = rollback(deployment)
    print(done.output)
    assert done.status == 1
    assert (
        "would lose what users wrote since the upgrade (2 posts, files, channels and users)"
        in done.words
    )
    assert f"/{NEW}-" in current(deployment)
    all_there(deployment, written)
    deployment.host.run(
        f"{PSQL} -c 'DELETE FROM posts WHERE id = $${written[-1].post}$$;"
        f" DELETE FROM fileinfo WHERE id = $${written[-1].file}$$'"
    )
    del written[-1]
    assert rollback(deployment).status == 0
    assert f"/{OLD}-" in current(deployment)
    all_there(deployment, written)


@pytest.fixture
def mirror(tarballs: Mapping[str, Path], tmp_path: Path) -> Iterator[str]:
    """The new version under the vendor's name, on this machine."""
    shutil.copy(tarballs[NEW], tmp_path / f"mattermost-{NEW}-linux-amd64.tar.gz")
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_the_command_line_names_the_release(
    deployment: Deployment, tarballs: Mapping[str, Path], mirror: str, written: list[Written]
) -> None:
    deployment.site["mattermost"]["release"] = {"mirror": mirror}
    deployment.write()
    digest = hashlib.sha256(tarballs[NEW].read_bytes()).hexdigest()
    command = typed("Upgrade to another release", deployment, 1)
    assert NEW in command
    done = deployment.run(*command, "--yes", "--sha256", digest, check=False)
    print(done.output)
    assert done.status == 0, done.output
    assert "the host keeps this one: nothing is to be written" in done.words
    assert f"/{NEW}-" in current(deployment)
    all_there(deployment, written)
    assert deployment.deploy().changed == ()
    lost = write(deployment)
    deployment.host.run(f"echo '{{}}' >{PLAN}")
    back = rollback(deployment, "--accept-loss")
    print(back.output)
    assert back.status == 0
    assert "could not be taken back by its plan" in back.words
    assert "is in the database that is kept only: 2 posts, files, channels and users" in back.words
    assert f"/{OLD}-" in current(deployment)
    all_there(deployment, written)
    kept = re.search(r"is kept as (mattermost_before_\d+)", back.words)
    assert kept
    there = f"{PSQL.removesuffix(' -d mattermost')} -d {kept[1]}"
    found = deployment.host.run(
        f"{there} -c 'SELECT message FROM posts WHERE id = $${lost.post}$$'"
    )
    assert found.stdout.strip() == lost.message
    deployment.host.run(inline("rm /opt/mattermost/upgrade/database.dump"))
    state(deployment, tarballs[OLD])
    assert deployment.run("mattermost-host", "plan", str(deployment.inventory)).status == 0


def test_what_was_written_survives_the_way_back_to_a_release_that_runs_on_its_database(
    deployment: Deployment, tarballs: Mapping[str, Path], written: list[Written]
) -> None:
    # The last test: the database stays as the newer release has migrated it.
    state(deployment, tarballs[KNOWN])
    pyinfra = inline("pyinfra inventory.py deploys/upgrade.py")
    deployment.run(*replaced(pyinfra, {"inventory.py": str(deployment.inventory)}), "-y")
    assert f"/{KNOWN}-" in current(deployment)
    # Who logs in now has a hash that the release before refuses.
    written.append(write(deployment))
    done = rollback(deployment)
    print(done.output)
    assert done.status == 0
    assert f"/{OLD}-" in current(deployment)
    all_there(deployment, written)
    written.append(write(deployment))
