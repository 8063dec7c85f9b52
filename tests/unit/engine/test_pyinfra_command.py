"""What pyinfra's command line means to us: who takes the lock, and what it says about hosts."""

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from pyinfra_cli.cli import cli

from mattermost_host.engine import locks, pyinfra_command
from mattermost_host.engine.inventory import CommandLine

PROJECT = Path(__file__).parents[3]


def _typed(*arguments: str) -> dict[str, object]:
    context = click.Context(cli)
    cli.parse_args(context, ["inventory.py", *arguments])
    return context.params


@pytest.fixture
def deploys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "deploys"
    folder.mkdir()
    for name in ("site", "preflight", "mine"):
        (folder / f"{name}.py").touch()
    (tmp_path / "link.py").symlink_to(folder / "site.py")
    (tmp_path / "checks.py").symlink_to(folder / "preflight.py")
    return folder


@pytest.mark.parametrize(
    "arguments",
    [
        ["deploys/site.py"],
        ["./deploys/../deploys/site.py"],
        ["{}/deploys/site.py"],
        ["link.py"],
        ["deploys/mine.py"],
        ["deploys/preflight.py", "deploys/site.py"],
        ["-y", "deploys/site.py"],
        ["--json", "-y", "deploys/site.py"],
        ["exec", "--", "reboot"],
        ["server.reboot"],
        ["elsewhere/deploys/preflight.py"],
    ],
)
def test_what_may_change_something_takes_the_lock(
    deploys: Path, tmp_path: Path, arguments: list[str]
) -> None:
    typed = [one.format(tmp_path) for one in arguments]
    assert not pyinfra_command.changes_nothing(_typed(*typed))


@pytest.mark.parametrize(
    "arguments",
    [
        ["deploys/preflight.py"],
        ["{}/deploys/preflight.py"],
        ["checks.py"],
        ["--dry", "deploys/site.py"],
        ["--debug-operations", "deploys/site.py"],
        ["--debug-facts", "deploys/site.py"],
        ["fact", "server.Os"],
        ["debug-inventory"],
    ],
)
def test_what_is_known_to_change_nothing_takes_none(
    deploys: Path, tmp_path: Path, arguments: list[str]
) -> None:
    assert pyinfra_command.changes_nothing(_typed(*[one.format(tmp_path) for one in arguments]))


def test_what_it_says_about_hosts() -> None:
    typed = _typed("--ssh-port", "2222", "--data", "_sudo=true", "--group-data", "more", "x.py")
    told = pyinfra_command.hosts_data(typed)
    assert told == CommandLine({"ssh_port": 2222, "_sudo": True}, ("more",))


def test_elsewhere_there_is_none() -> None:
    assert pyinfra_command.parameters() is None
    with click.Context(click.Command("other")):
        assert pyinfra_command.parameters() is None
    with click.Context(cli) as context:
        context.params = _typed("x.py")
        assert pyinfra_command.parameters() is not None


@pytest.mark.parametrize("operation", ["deploys/site.py", "../{}/deploys/site.py", "mine.py"])
def test_a_second_run_of_pyinfra_itself_is_refused(tmp_path: Path, operation: str) -> None:
    """By whatever path the deploy is named, and by whatever link the inventory."""
    inventory, link = tmp_path / "chat.py", tmp_path / "link.py"
    inventory.write_text(
        'site = {"url": "https://chat.example.com", "users": 50}\n'
        'app = db = proxy = [("h.invalid", {"ssh_password": "S3cret"})]\n'
    )
    link.symlink_to(inventory)
    (tmp_path / "mine.py").touch()
    named = operation.format(PROJECT.name).replace("mine.py", str(tmp_path / "mine.py"))
    argv = [str(Path(sys.executable).with_name("pyinfra")), "-y", str(link), named]
    with locks.held(inventory):
        done = subprocess.run(
            argv,
            cwd=PROJECT,
            env={**os.environ, "PYINFRA_PROGRESS": "off"},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert f"is being deployed by process {os.getpid()}" in " ".join(done.stderr.split())
