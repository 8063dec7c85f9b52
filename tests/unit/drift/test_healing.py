"""Repairs of one check: what is safe, what waits for the window, and the proof."""

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from mattermost_host.drift import run as drift
from mattermost_host.drift.repair import Heal
from mattermost_host.plan import plan as planning
from mattermost_host.site.site import Site
from tests.unit.drift.planned_hosts import (
    COMMENT,
    OPEN,
    RESTART,
    RIGHT,
    Hosts,
    last_entry,
    metrics_text,
    plan_of,
)


def test_what_is_safe_is_put_right_and_proven(
    hosts: Hosts, inventory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hosts.plans, hosts.safe = [plan_of(OPEN, COMMENT), RIGHT], 1
    assert drift.run(inventory, Heal("safe")) == 0
    assert hosts.carried_out == ["left: safe", "everything"]
    out = capsys.readouterr().out
    assert "notice: repaired: h1: table inet x" in out
    assert "chat: everything matches the inventory; 2 things repaired" in out
    assert [one["subject"] for one in last_entry(inventory)["healed"]] == [
        "table inet x",
        "/etc/x.conf",
    ]
    assert 'healed{site="chat"} 2.0' in metrics_text(inventory)


def test_what_was_generated_for_it_is_kept(
    hosts: Hosts, inventory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = inventory.with_suffix(".secrets.toml")
    secrets.unlink()
    hosts.plans, hosts.safe = [plan_of(OPEN), RIGHT], 1
    drift.run(inventory, None)
    assert not secrets.exists()
    seen: list[Site] = []
    monkeypatch.setattr(planning, "make", lambda site: (seen.append(site), RIGHT)[1])  # type: ignore[func-returns-value]
    hosts.plans, hosts.safe = [plan_of(OPEN)], 1
    drift.run(inventory, Heal("safe"))
    assert secrets.exists()
    assert seen[0].secrets.planned == (), "what is proven is the site as it is now"


def test_what_is_left_is_drift(hosts: Hosts, inventory: Path) -> None:
    hosts.plans, hosts.safe = [plan_of(OPEN, RESTART), plan_of(RESTART)], 1
    assert drift.run(inventory, Heal("safe")) == 2
    entry = last_entry(inventory)
    assert [one["subject"] for one in entry["healed"]] == ["table inet x"]
    assert [one["subject"] for one in entry["drift"]] == ["x.service"]


def test_nothing_runs_where_nothing_is_safe(hosts: Hosts, inventory: Path) -> None:
    hosts.plans = [plan_of(RESTART)]
    assert drift.run(inventory, Heal("safe")) == 2
    assert "everything" not in hosts.carried_out


def test_nothing_runs_where_there_is_no_drift(hosts: Hosts, inventory: Path) -> None:
    hosts.plans = [RIGHT]
    heal = Heal.parse("all", "00:00-23:59")
    assert drift.run(inventory, heal) == 0
    assert hosts.carried_out == []


@pytest.mark.parametrize("inside", [True, False])
def test_everything_in_the_window_only(
    hosts: Hosts, inventory: Path, monkeypatch: pytest.MonkeyPatch, inside: bool
) -> None:
    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> "Clock":
            return cls(2026, 3, 1, 3 if inside else 12, tzinfo=tz)

    monkeypatch.setattr(drift, "datetime", Clock)
    hosts.plans = [plan_of(RESTART), RIGHT] if inside else [plan_of(RESTART)]
    status = drift.run(inventory, Heal.parse("all", "02:00-04:00"))
    assert status == (0 if inside else 2)
    assert ("everything" in hosts.carried_out) == inside


def test_a_run_that_breaks_is_told_and_the_rest_proven(
    hosts: Hosts, inventory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hosts.plans, hosts.safe = [plan_of(OPEN, COMMENT), plan_of(OPEN)], 2
    hosts.breaks = "the run failed on h1"
    assert drift.run(inventory, Heal("safe")) == 2
    assert "not everything could be repaired: the run failed on h1" in capsys.readouterr().out
    assert [one["subject"] for one in last_entry(inventory)["healed"]] == ["/etc/x.conf"]
