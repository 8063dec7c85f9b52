"""The installed package, outside of a checkout: from an empty folder to a verified host."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.deployment import QUIET, ROOT, Deployment
from tests.lab.hosts import Lab


class Installed(Deployment):
    """A site whose commands come from an environment of its own, in a folder that init wrote."""

    environment: Path

    def command(self, *arguments: str) -> list[str]:
        return [str(self.environment / "bin" / arguments[0]), *arguments[1:]]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with the wheel, and no more than it needs."""
    folder = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    build = ["wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(ROOT)]
    subprocess.run([*pip, *build], check=True)
    (wheel,) = folder.glob("*.whl")
    made = folder / "environment"
    subprocess.run([sys.executable, "-m", "venv", str(made)], check=True)
    install = [str(made / "bin" / "pip"), "--quiet", "--disable-pip-version-check", "install"]
    locked = ["--require-hashes", "--requirement", str(ROOT / "requirements/runtime.txt")]
    subprocess.run([*install, *locked], check=True)
    subprocess.run([*install, "--no-deps", str(wheel)], check=True)
    return made


@pytest.fixture(scope="module")
def installed(
    lab: Lab,
    release: Path,
    environment: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Installed]:
    """A deployed site; the commands are typed in the folder of its inventory."""
    parent = tmp_path_factory.mktemp("empty")
    host = lab.up("wheel")
    argv = [str(environment / "bin" / "mattermost-host"), "init", "https://wheel.test", "site"]
    subprocess.run([*argv, "--host", host.address], cwd=parent, env=QUIET, check=True)
    folder = parent / "site"
    assert host.address in (folder / "inventory.py").read_text(encoding="utf-8")
    made = Installed(lab, host, folder, release)
    made.environment = environment
    made.folder = folder
    made.deploy()
    yield made


def test_the_second_run_changes_nothing(installed: Installed) -> None:
    assert installed.deploy().changed == ()


def test_the_site_is_verified_with_the_journey(installed: Installed) -> None:
    assert "checks passed" in installed.verify("--journey").output


def test_plan_says_nothing_would_change(installed: Installed) -> None:
    done = installed.run("mattermost-host", "plan", str(installed.inventory))
    assert "nothing would change" in done.output


def test_apply_and_drift_find_everything_as_described(
    installed: Installed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(QUIET, "XDG_STATE_HOME", str(tmp_path))
    inventory = str(installed.inventory)
    assert (
        "Nothing had to be changed" in installed.run("mattermost-host", "apply", inventory).output
    )
    assert "matches the inventory" in installed.run("mattermost-host", "drift", inventory).output
    assert (
        "matches the inventory"
        in installed.run("mattermost-host", "drift", inventory, "--history").output
    )


def test_a_look_for_drift_can_be_scheduled(installed: Installed) -> None:
    """As far as a machine without systemd goes: everything of ours is found and trusted."""
    options = ("--on-calendar", "daily", "--here")
    done = installed.run(
        "mattermost-host", "schedule", str(installed.inventory), *options, check=False
    )
    if done.status:
        assert "a machine that is run by systemd" in done.words
    else:
        remove = ("--remove", "--here")
        installed.run("mattermost-host", "schedule", str(installed.inventory), *remove)
