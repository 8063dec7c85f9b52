"""A run that was killed or timed out: systemd says how, and it is reported."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from mattermost_host.cli.main import main
from mattermost_host.drift import run as drift
from mattermost_host.engine import locks
from tests.unit.drift.planned_hosts import OPEN, Hosts, last_entry, plan_of
from tests.unit.listeners import Hook


def _ended(inventory: Path, monkeypatch: pytest.MonkeyPatch, invocation: str) -> int:
    monkeypatch.setenv("INVOCATION_ID", invocation)
    monkeypatch.setenv("SERVICE_RESULT", "oom-kill")
    monkeypatch.setenv("EXIT_CODE", "killed")
    monkeypatch.setenv("EXIT_STATUS", "KILL")
    words = ["drift", str(inventory), "--tell-failure"]
    return CliRunner().invoke(main, words).exit_code


def test_a_run_that_was_ended_is_reported_with_its_reason(
    hosts: Hosts, site_hook: Hook, inventory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _ended(inventory, monkeypatch, "a") == 1
    assert "before it could report: oom-kill killed KILL" in site_hook.posted[0]
    assert last_entry(inventory)["status"] == 1
    assert _ended(inventory, monkeypatch, "b") == 1
    assert len(site_hook.posted) == 1, "the same is told once"


@pytest.mark.parametrize("busy", [False, True])
def test_a_run_that_reported_itself_is_not_reported_again(
    hosts: Hosts,
    site_hook: Hook,
    inventory: Path,
    monkeypatch: pytest.MonkeyPatch,
    busy: bool,
) -> None:
    monkeypatch.setenv("INVOCATION_ID", "a")
    hosts.plans = [plan_of(OPEN)]
    if busy:
        monkeypatch.setattr(locks, "refuse_busy", _busy)
        with pytest.raises(locks.Busy):
            drift.run(inventory, None)
    else:
        drift.run(inventory, None)
    told = len(site_hook.posted)
    assert told == (0 if busy else 1)
    assert _ended(inventory, monkeypatch, "a") == 1
    assert len(site_hook.posted) == told
    assert _ended(inventory, monkeypatch, "b") == 1
    assert len(site_hook.posted) == told + 1


def _busy(_: Path) -> None:
    raise locks.Busy("chat.py is being deployed")
