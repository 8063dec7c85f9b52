"""The real setup brings back an environment whose Python is gone."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mattermost_host.drift import schedule
from mattermost_host.drift.schedule import Places
from mattermost_host.site.site import Site
from tests.lab.deployment import ROOT


def _other_python() -> str | None:
    """A Python of another minor version on this machine."""
    mine = f"{sys.version_info.major}.{sys.version_info.minor}"
    near = Path(sys.base_prefix).parent.glob("3.1[1-9]*/bin/python3.1[1-9]")
    for path in [*sorted(map(str, near)), *(f"python3.{minor}" for minor in range(11, 20))]:
        found = shutil.which(path)
        script = "import sys, venv; print('%d.%d' % sys.version_info[:2])"
        if found:
            done = subprocess.run(
                [found, "-c", script], capture_output=True, text=True, check=False
            )
            if done.returncode == 0 and done.stdout.strip() not in {"", mine}:
                return found
    return None


def test_the_real_setup_brings_back_an_environment_of_another_python(tmp_path: Path) -> None:
    """On this machine, in a checkout of its own: an upgrade from one minor version to another."""
    other = _other_python()
    if other is None:
        pytest.skip("this machine has no second Python that is new enough")
    checkout = tmp_path / "checkout"
    folders = ("requirements", "src", "deploys", "templates", "scripts", "tests/host")
    parts = ("pyproject.toml", "README.md", "config.py", *folders)
    for part in parts:
        source = ROOT / part
        copy = shutil.copytree if source.is_dir() else shutil.copy2
        copy(source, checkout / part) if source.is_dir() else _copy_file(source, checkout / part)
    inventory = tmp_path / "chat.py"
    inventory.write_text(
        "site = {'url': 'https://chat.example.com', 'users': 9}\napp = db = proxy = ['h1']\n"
    )
    subprocess.run([other, "-m", "venv", "--without-pip", str(checkout / ".venv")], check=True)
    _to_this_python(checkout / ".venv")
    launcher = tmp_path / "launcher.sh"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(schedule, "ENVIRONMENT", checkout / ".venv")
        patch.setattr(schedule, "SETUP", checkout / "scripts/setup")
        patch.chdir(checkout)
        patch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
        places = Places(tmp_path, tmp_path, True)
        launcher.write_text(
            next(iter(schedule.files(Site.load(inventory), "daily", None, places).values()))
        )
        patch.setenv("PYTHON", sys._base_executable)  # type: ignore[attr-defined]
        argv = ["/bin/sh", str(launcher)]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "<4>The virtual environment" in done.stdout and "<5>" in done.stdout
    command = [str(checkout / ".venv/bin/mattermost-host"), "--version"]
    assert subprocess.run(command, capture_output=True, check=True).stdout


def _copy_file(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(source, target)


def _to_this_python(environment: Path) -> None:
    """The machine's python3 is another one now: the same links lead to it."""
    for link in (environment / "bin").glob("python*"):
        if link.is_symlink() and link.readlink().is_absolute():
            link.unlink()
            link.symlink_to(sys._base_executable)  # type: ignore[attr-defined]
