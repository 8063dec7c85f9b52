"""Another release of the server: switched, the last two kept, and back again."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mattermost_host.verify.api_client import Client, member
from tests.lab.deployment import Deployment
from tests.lab.hosts import Lab
from tests.standin.build import build

FIRST, SECOND, THIRD = "11.7.9", "11.10.0", "11.11.1"
USER = {"username": "lasting", "email": "lasting@example.com", "password": "Lasting-1-lasting"}


@pytest.fixture(scope="module")
def tarballs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The stand-in in three versions: releases of the vendor are named by one only."""
    folder = tmp_path_factory.mktemp("releases")
    return {version: build(folder, version) for version in (FIRST, SECOND, THIRD)}


@pytest.fixture(scope="module")
def deployment(
    lab: Lab, tarballs: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    """A site with the first version and a user."""
    folder = tmp_path_factory.mktemp("release")
    made = Deployment(lab, lab.up("release"), folder, tarballs[FIRST])
    made.deploy()
    with made.administrator() as administrator:
        administrator.made("/users", json=USER)
    yield made


def _switch(deployment: Deployment, tarball: Path) -> None:
    """Deploy another tarball: one restart of the server and of nothing else."""
    units = ("mattermost.service", "nginx.service", "postgresql@15-main.service")
    before = deployment.started(*units)
    starts = _starts(deployment)
    deployment.site["mattermost"]["release"]["file"] = str(tarball)
    deployment.write()
    changed = deployment.deploy().changed
    assert {name.partition("|")[0].strip() for name in changed} == {"Mattermost"}
    after = deployment.started(*units)
    assert [unit for unit in units if after[unit] != before[unit]] == ["mattermost.service"]
    assert _starts(deployment) == starts + 1
    assert deployment.deploy().changed == ()


def _starts(deployment: Deployment) -> int:
    journal = "journalctl -u mattermost -o cat | grep -c 'Started .*[Mm]attermost'"
    return int(deployment.host.run(journal).stdout)


def _kept(deployment: Deployment) -> list[str]:
    listed = deployment.host.run("ls -A /opt/mattermost/releases").stdout.split()
    return sorted(name.partition("-")[0] for name in listed if name[0].isdigit())


def _version(client: Client) -> str:
    return client.ask("GET", "/system/ping", 200).headers["X-Version-Id"]


@pytest.mark.parametrize(
    ("version", "kept"),
    [(SECOND, [SECOND, FIRST]), (THIRD, [SECOND, THIRD]), (SECOND, [SECOND, THIRD])],
    ids=["forward", "forward again", "back"],
)
def test_switched_and_the_last_two_kept(
    deployment: Deployment, tarballs: dict[str, Path], version: str, kept: list[str]
) -> None:
    # Without a reason a downgrade is refused; test_release_moves.py shows it.
    deployment.site["skip"] = {"release-downgrade": "the stand-in migrates nothing"}
    _switch(deployment, tarballs[version])
    assert _kept(deployment) == sorted(kept)
    manifests = deployment.host.run("ls /opt/mattermost/manifests").stdout.split()
    assert sorted(name.partition("-")[0] for name in manifests) == sorted(kept)
    with deployment.client() as client:
        assert _version(client).startswith(version)
        client.log_in(USER["username"], USER["password"])
        name = member(client.ask("GET", "/users/me", 200), "username")
        assert name == USER["username"], "users outlive a switch"


def test_static_files_are_those_of_the_release(deployment: Deployment) -> None:
    host = deployment.host
    listed = host.run("cd /opt/mattermost/current/client && ls *.js | head -n 1").stdout.strip()
    there = host.run(f"sha256sum < /opt/mattermost/current/client/{listed}").stdout.split()[0]
    served = f"curl -sSk --resolve {deployment.name}:443:127.0.0.1 https://{deployment.name}"
    assert host.run(f"{served}/static/{listed} | sha256sum").stdout.split()[0] == there


def test_nothing_is_left_of_the_switches(deployment: Deployment) -> None:
    assert sorted(deployment.host.run("ls -A /opt/mattermost").stdout.split()) == [
        "current",
        "manifests",
        "release",
        "releases",
    ]
    deployment.verify()
