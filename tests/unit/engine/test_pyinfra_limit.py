"""pyinfra's --limit and --exclude: who is meant, and what is said where nobody is."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pyinfra.api import Inventory
from pyinfra_cli import cli as command

from mattermost_host.cli import init
from mattermost_host.engine import pyinfra_limit
from mattermost_host.support.errors import OperatorError


@pytest.fixture
def inventory(monkeypatch: pytest.MonkeyPatch) -> Inventory:
    for name in ("_get_inventory_pattern_matches", "_apply_inventory_exclude"):
        monkeypatch.setattr(command, name, getattr(command, name))
    pyinfra_limit.say_who_is_left_out()
    groups: dict[str, Any] = {"app": (["h1"], {}), "dc": (["h1", "h2"], {})}
    return Inventory((["h1", "h2", "ops"], {}), **groups)  # type: ignore[no-untyped-call]


def _chosen(inventory: Inventory, limit: list[str], exclude: list[str]) -> list[str] | None:
    found = command._apply_inventory_limit(inventory, limit)
    found = command._apply_inventory_exclude(inventory, found, exclude)
    return None if found is None else sorted(host.name for host in found)


@pytest.mark.parametrize(
    ("limit", "exclude", "chosen"),
    [
        ([], [], None),
        (["h1"], [], ["h1"]),
        (["app", "ops"], [], ["h1", "ops"]),
        (["h*"], ["app"], ["h2"]),
        ([], ["dc"], ["ops"]),
    ],
)
def test_hosts_groups_and_patterns_are_pyinfra_s(
    inventory: Inventory, limit: list[str], exclude: list[str], chosen: list[str] | None
) -> None:
    assert _chosen(inventory, limit, exclude) == chosen


@pytest.mark.parametrize(
    ("limit", "exclude", "sentence"),
    [
        (["nobody"], [], "no host 'nobody' in "),
        (["h1", "x*"], [], "no host 'x*' in "),
        ([], ["nobody"], "no host 'nobody' in "),
        (["u:hunter2@h1"], [], "no host 'h1' in "),
        ([], ["dc", "ops"], "no host is left; leave out --exclude, or name another host there"),
        (["app"], ["h1"], "no host is left; leave out --exclude, or name another host there"),
    ],
)
def test_nobody_is_a_sentence(
    inventory: Inventory, limit: list[str], exclude: list[str], sentence: str
) -> None:
    with pytest.raises(OperatorError) as error:
        _chosen(inventory, limit, exclude)
    assert str(error.value).startswith(sentence)
    assert "hunter2" not in str(error.value)


def test_a_run_on_nobody_fails(tmp_path: Path) -> None:
    init.write(tmp_path, "https://chat.example.com", 50, ["h.invalid"])
    code = "from pyinfra_cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "-y", "--limit", "nobody", "inventory.py", "deploys/site.py"],
        cwd=tmp_path,
        env={**os.environ, "XDG_STATE_HOME": str(tmp_path / "state")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 1
    assert "Error: no host 'nobody' in inventory.py; its hosts are: h.invalid\n" in said
    assert "Connecting" not in said
