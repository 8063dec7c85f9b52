"""A site whose plans are given, and the webhook that its secrets name."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from mattermost_host.drift import run as drift
from mattermost_host.drift import schedule
from mattermost_host.plan import apply as application
from mattermost_host.plan import plan as planning
from mattermost_host.site.site import Site
from tests.unit.drift.planned_hosts import Hosts
from tests.unit.drift.scheduled import NASTY
from tests.unit.listeners import Hook, webhook


@pytest.fixture
def hosts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Hosts:
    made = Hosts()

    @contextmanager
    def prepared(*_: Any) -> Iterator[str]:
        yield "everything"

    def leave(_: Any, scope: str) -> int:
        made.carried_out.append(f"left: {scope}")
        return made.safe if scope == "safe" else 1

    def carry_out(state: str, site: Site) -> str:
        site.secrets.keep()
        made.carried_out.append(state)
        return made.breaks

    monkeypatch.setattr(planning, "prepared", prepared)
    monkeypatch.setattr(planning, "evaluate", made.next)
    monkeypatch.setattr(planning, "make", made.next)
    monkeypatch.setattr(drift, "leave", leave)
    monkeypatch.setattr(application, "carry_out", carry_out)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("JOURNAL_STREAM", raising=False)
    return made


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    path = tmp_path / "chat.py"
    (tmp_path / "metrics").mkdir()
    site = {
        "url": "https://chat.example.com",
        "users": 50,
        "drift": {"metrics_directory": str(tmp_path / "metrics")},
    }
    path.write_text(f'site = {site!r}\napp = db = proxy = ["h1"]\n')
    Site.load(path).secrets.keep()
    return path


@pytest.fixture
def site_hook(inventory: Path) -> Iterator[Hook]:
    """A webhook that the site's secrets name."""
    secrets = inventory.with_suffix(".secrets.toml")
    with webhook() as made:
        secrets.write_text(f'drift_webhook = "{made.url}"\n{secrets.read_text()}')
        yield made


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A checkout in a place with a name that means something to systemd and to shells."""
    made = tmp_path / NASTY
    command = made / "checkout/.venv/bin/mattermost-host"
    command.parent.mkdir(parents=True)
    command.write_text("#!/bin/sh\n")
    command.chmod(0o755)
    (made / "checkout/config.py").touch()
    monkeypatch.chdir(made / "checkout")
    monkeypatch.setattr(schedule, "ENVIRONMENT", made / "checkout/.venv")
    monkeypatch.setattr(schedule, "SETUP", made / "checkout/scripts/setup")
    monkeypatch.setenv("XDG_STATE_HOME", str(made / "state"))
    monkeypatch.setenv("PATH", f"{made}/checkout/.venv/bin:{os.environ['PATH']}")
    yield made
