"""A host keeps its release until an operator says otherwise, and each file of it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lab.deployment import Deployment, Run
from tests.lab.hosts import Lab
from tests.standin.build import build

OLD, NEW = "10.11.20", "11.7.9"
SERVER = "mattermost.service"
UNITS = (SERVER, "nginx.service", "postgresql@15-main.service")


@pytest.fixture(scope="module")
def tarballs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The stand-in in two versions."""
    folder = tmp_path_factory.mktemp("releases")
    return {version: build(folder, version) for version in (OLD, NEW)}


@pytest.fixture(scope="module")
def deployment(
    lab: Lab, tarballs: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    """A site with the old version."""
    folder = tmp_path_factory.mktemp("moves")
    made = Deployment(lab, lab.up("moves"), folder, tarballs[OLD])
    made.deploy()
    yield made


def _state(deployment: Deployment, tarball: Path | None) -> None:
    stated = {"file": str(tarball), "unverified": True} if tarball else {}
    deployment.site["mattermost"]["release"] = stated
    deployment.write()


def _plan(deployment: Deployment) -> tuple[Run, list[dict[str, Any]]]:
    file = deployment.inventory.with_name("plan.json")
    command = ("mattermost-host", "plan", str(deployment.inventory), "--json", str(file))
    done = deployment.run(*command, check=False)
    if done.status == 1:
        return done, []
    hosts = json.loads(file.read_text(encoding="utf-8"))["hosts"]
    return done, [one for steps in hosts.values() for step in steps for one in step["changes"]]


def _current(deployment: Deployment) -> str:
    return deployment.host.run("readlink /opt/mattermost/current").stdout.strip()


def test_without_a_version_a_host_keeps_its_release_and_hears_of_newer_ones(
    deployment: Deployment,
) -> None:
    before = deployment.started(*UNITS)
    _state(deployment, None)
    done, changes = _plan(deployment)
    assert (done.status, changes) == (0, []), done.output
    assert f"Mattermost {OLD} stays; newer: 10.11.23 (same line) and 11.7.9" in done.words
    deployed = deployment.deploy()
    assert deployed.changed == ()
    assert f"Mattermost {OLD} stays" in deployed.words
    assert deployment.started(*UNITS) == before
    assert f"/{OLD}-" in _current(deployment)


TAMPERED = {
    "content": ("echo evil >> {}/client/root.html", "client/root.html has another content"),
    "same size and time": (
        "touch -r {0}/client/root.html /run/time; "
        "printf X | dd of={0}/client/root.html conv=notrunc; "
        "touch -r /run/time {0}/client/root.html",
        "client/root.html has another content",
    ),
    "extra file": ("touch {}/client/x.js", "client/x.js is no part of the release"),
    "owner": ("chown -R mattermost: {}/client", "belongs to"),
    "set-uid": ("chmod u+s {}/bin/mattermost", "has mode 4755 instead of 755"),
    "deletion": ("rm {}/client/root.html", "client/root.html is missing"),
    "closed": ("chmod 700 /opt/mattermost/releases", "/opt/mattermost/releases has mode 700"),
    "current is a folder": (
        "cd /opt/mattermost; rm current; mkdir current; touch current/x",
        "/opt/mattermost/current is a directory instead of a link",
    ),
    "current is foreign": (
        "ln -sfn /srv/elsewhere /opt/mattermost/current",
        "current leads to /srv/elsewhere",
    ),
    "no manifest": ("rm -r /opt/mattermost/manifests", "has no manifest"),
}


@pytest.mark.parametrize("kind", TAMPERED)
def test_each_file_of_the_release_is_named_and_healed(
    deployment: Deployment, tarballs: dict[str, Path], kind: str
) -> None:
    _state(deployment, tarballs[OLD])
    command, said = TAMPERED[kind]
    before = deployment.started(*UNITS)
    deployment.host.run(command.format(f"/opt/mattermost/{_current(deployment)}"))
    done, changes = _plan(deployment)
    assert done.status == 2, done.output
    told = "; ".join(f"{change['subject']} {change['found']}" for change in changes)
    assert said in told
    deployment.deploy()
    done, changes = _plan(deployment)
    assert (done.status, changes) == (0, []), done.output
    after = deployment.started(*UNITS)
    restarted = {unit for unit in UNITS if after[unit] != before[unit]}
    related = (
        {SERVER} if kind in ("set-uid", "current is a folder", "current is foreign") else set()
    )
    assert restarted <= related
    deployment.wait_healthy()


def test_healing_never_moves_a_release(deployment: Deployment, tarballs: dict[str, Path]) -> None:
    before = _current(deployment)
    _state(deployment, tarballs[NEW])
    window = ("--heal", "all", "--window", "00:00-23:59")
    for options in (("--heal", "safe"), window):
        inventory = str(deployment.inventory)
        done = deployment.run("mattermost-host", "drift", inventory, *options, check=False)
        assert done.status == 2, done.output
        assert f"an UPGRADE to {NEW}" in done.words
        assert _current(deployment) == before


def test_a_stated_newer_one_is_an_upgrade_and_critical(
    deployment: Deployment, tarballs: dict[str, Path]
) -> None:
    _state(deployment, tarballs[NEW])
    done, changes = _plan(deployment)
    assert done.status == 2
    (move,) = [one for one in changes if one["subject"] == "/opt/mattermost/current"]
    assert move["severity"] == "critical"
    assert f"leads to {OLD}: an UPGRADE to {NEW}" in move["found"]
    assert f"Mattermost {OLD} is on the host, and {NEW} is stated: an upgrade" in done.words
    deployment.deploy()
    assert f"/{NEW}-" in _current(deployment)
    assert deployment.deploy().changed == ()


def test_an_older_one_is_refused_by_name_before_anything_is_touched(
    deployment: Deployment, tarballs: dict[str, Path]
) -> None:
    before = deployment.started(*UNITS)
    _state(deployment, tarballs[OLD])
    for refused in (_plan(deployment)[0], deployment.deploy(check=False)):
        assert refused.status == 1
        assert "release-downgrade" in refused.output
        assert f"{NEW} is on the host, and {OLD} is stated: a downgrade" in refused.words
    assert f"/{NEW}-" in _current(deployment)
    assert deployment.started(*UNITS) == before
    _state(deployment, tarballs[NEW])
    assert _plan(deployment)[0].status == 0
    deployment.verify()
