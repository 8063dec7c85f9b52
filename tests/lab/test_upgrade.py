"""An upgrade keeps every post and file, and goes back by itself where the new release fails."""

import hashlib
import re
import secrets
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from mattermost_host.verify.api_client import content
from tests.lab.deployment import Deployment, Run
from tests.lab.hosts import Lab
from tests.lab.shell import wait_until
from tests.standin.build import build

OLD, NEW = "10.11.16", "11.7.9"
KNOWN = "11.2.4"  # the old one is known to run on its database
PSQL = "cd /; setpriv --reuid=postgres --init-groups --regid=postgres psql -At -d mattermost"
CURRENT = "/opt/mattermost/current"
BROKEN = {
    "exits": "it ended with",
    "fails-after-migrations": "it ended with",
    "refuses-log-ins": "a user could not log in",
    "refuses-posts": "a user could not post",
    "hangs": "it did not get ready",
}
"""Habits of broken releases, and what the operator reads of each."""


@dataclass(frozen=True)
class Written:
    """A post and a file, by their hashes."""

    post: str
    message: str
    file: str
    digest: str


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
    return [_write(deployment)]


def _write(deployment: Deployment) -> Written:
    """A post with a file, by the administrator to himself."""
    with deployment.administrator() as person:
        me = content(person.ask("GET", "/users/me", 200))["id"]
        channel = person.made("/channels/direct", json=[me, me])
        data = secrets.token_bytes(100_000)
        sent = person.ask(
            "POST",
            "/files",
            201,
            data={"channel_id": channel},
            files={"files": ("some.bin", data, "application/octet-stream")},
        )
        file = content(sent)["file_infos"][0]["id"]
        message = f"Written {secrets.token_hex(8)}."
        body = {"channel_id": channel, "message": message, "file_ids": [file]}
        post = person.made("/posts", json=body)
    return Written(post, message, file, hashlib.sha256(data).hexdigest())


def _all_there(deployment: Deployment, written: list[Written]) -> None:
    with deployment.administrator() as person:
        for one in written:
            assert content(person.ask("GET", f"/posts/{one.post}", 200))["message"] == one.message
            data = person.ask("GET", f"/files/{one.file}", 200).content
            assert hashlib.sha256(data).hexdigest() == one.digest


def _state(deployment: Deployment, tarball: Path) -> None:
    deployment.site["mattermost"]["release"] = {"file": str(tarball), "unverified": True}
    deployment.write()


def _command(deployment: Deployment, word: str, *options: str) -> Run:
    command = ("mattermost-host", word, str(deployment.inventory), "--yes", *options)
    return deployment.run(*command, check=False)


def _current(deployment: Deployment) -> str:
    return deployment.host.run(f"readlink {CURRENT}").stdout.strip()


def _released(deployment: Deployment) -> None:
    assert "mattermost_hold" not in deployment.host.run("nft list tables").stdout
    people = deployment.host.run(
        f"{PSQL} -c \"SELECT count(*) FROM users WHERE username LIKE 'upgrade-probe%'\""
    )
    assert people.stdout.strip() == "0"


@pytest.mark.parametrize("habit", BROKEN)
def test_a_broken_release_goes_back_by_itself(
    deployment: Deployment, tarballs: Mapping[str, Path], written: list[Written], habit: str
) -> None:
    before = _current(deployment)
    _state(deployment, tarballs[habit])
    done = _command(deployment, "upgrade")
    print(done.output)
    assert done.status == 1
    assert BROKEN[habit] in done.words
    assert f"{OLD}-" in done.words
    assert "serves again, as before the upgrade" in done.words
    assert _current(deployment) == before
    _released(deployment)
    _all_there(deployment, written)
    written.append(_write(deployment))


def test_an_upgrade_keeps_everything(
    deployment: Deployment, tarballs: Mapping[str, Path], written: list[Written]
) -> None:
    _state(deployment, tarballs[NEW])
    done = _command(deployment, "upgrade")
    print(done.output)
    assert done.status == 0, done.output
    assert "its status, a log-in and a post were tested" in done.words
    seen = re.search(r"Seen through NGINX, .*?: (\d+) of (\d+) failed", done.words)
    assert seen
    assert (int(seen[1]), int(seen[2]) > 4) == (0, True)
    assert f"/{NEW}-" in _current(deployment)
    _released(deployment)
    _all_there(deployment, written)
    assert deployment.deploy().changed == ()
    assert "Nothing had to be changed" in _command(deployment, "upgrade").words


def test_an_upgrade_is_taken_back_with_its_database_where_nothing_was_written(
    deployment: Deployment, tarballs: Mapping[str, Path], written: list[Written]
) -> None:
    done = _command(deployment, "rollback")
    print(done.output)
    assert done.status == 0
    assert "The release before serves." in done.words
    assert f"/{OLD}-" in _current(deployment)
    assert "the one of 11.7.9" in done.words
    _released(deployment)
    _all_there(deployment, written)
    assert "There is no upgrade to take back" in _command(deployment, "rollback").words


def test_an_upgrade_whose_control_machine_is_cut_off_ends_by_itself(
    deployment: Deployment, tarballs: Mapping[str, Path], written: list[Written]
) -> None:
    command = deployment.command("mattermost-host", "upgrade", str(deployment.inventory), "--yes")
    stops = "grep -qs -e step=stops -e step=switches -e step=starts /opt/mattermost/upgrade/journal"
    with subprocess.Popen(command, cwd=deployment.folder, stdout=subprocess.DEVNULL) as cut_off:
        wait_until(lambda: deployment.host.run(stops, check=False).returncode == 0, 120, "it stops")
        cut_off.kill()
    ended = "! systemctl is-active --quiet mattermost-host-upgrade.service"
    wait_until(lambda: deployment.host.run(ended, check=False).returncode == 0, 120, "it has ended")
    assert f"/{NEW}-" in _current(deployment)
    assert "Nothing had to be changed" in _command(deployment, "upgrade").words
    _released(deployment)
    _all_there(deployment, written)


def test_a_rollback_that_would_lose_something_is_refused(
    deployment: Deployment, written: list[Written]
) -> None:
    written.append(_write(deployment))
    done = _command(deployment, "rollback")
    print(done.output)
    assert done.status == 1
    assert "would lose what users wrote since the upgrade (2 posts, files and users)" in done.words
    assert f"/{NEW}-" in _current(deployment)
    _all_there(deployment, written)
    deployment.host.run(
        f"{PSQL} -c 'DELETE FROM posts WHERE id = $${written[-1].post}$$;"
        f" DELETE FROM fileinfo WHERE id = $${written[-1].file}$$'"
    )
    del written[-1]
    assert _command(deployment, "rollback").status == 0
    assert f"/{OLD}-" in _current(deployment)
    _all_there(deployment, written)


def test_what_was_written_survives_the_way_back_to_a_release_that_runs_on_its_database(
    deployment: Deployment, tarballs: Mapping[str, Path], written: list[Written]
) -> None:
    _state(deployment, tarballs[KNOWN])
    assert _command(deployment, "upgrade").status == 0
    # Who logs in now has a hash that the release before refuses.
    written.append(_write(deployment))
    done = _command(deployment, "rollback")
    print(done.output)
    assert done.status == 0
    assert f"/{OLD}-" in _current(deployment)
    _all_there(deployment, written)
    written.append(_write(deployment))
