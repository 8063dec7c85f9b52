"""schedule and drift from their arguments to the functions that do the work."""

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from mattermost_host.cli.main import main
from mattermost_host.drift import ops_host, schedule
from mattermost_host.drift import run as looking
from mattermost_host.drift.repair import Heal

SITE = 'site = {"url": "https://chat.example.com", "users": 50}\napp = db = proxy = ["h1"]\n'


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What was called with what."""
    made: list[tuple[Any, ...]] = []

    def noted(name: str, answer: Any = None) -> Any:
        def call(*arguments: Any) -> Any:
            made.append((name, *arguments))
            return answer

        return call

    monkeypatch.setattr(schedule, "install", noted("install"))
    monkeypatch.setattr(schedule, "remove", noted("remove"))
    monkeypatch.setattr(ops_host, "schedule", noted("on the ops host"))
    monkeypatch.setattr(looking, "run", noted("run", 2))
    monkeypatch.setattr(looking, "tell_failure", noted("told", 1))
    return made


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    path = tmp_path / "chat.py"
    path.write_text(SITE)
    return path


def _typed(*words: str) -> Result:
    return CliRunner().invoke(main, list(words))


DAILY = ("--on-calendar", "daily")


@pytest.mark.parametrize(
    ("options", "heal"),
    [
        ((), None),
        (("--heal", "safe"), Heal("safe")),
        (("--heal", "all", "--window", "02:00-04:00"), Heal.parse("all", "02:00-04:00")),
    ],
)
def test_the_timer_and_a_check_get_the_repair(
    calls: list[Any], inventory: Path, options: tuple[str, ...], heal: Heal | None
) -> None:
    assert _typed("schedule", str(inventory), *DAILY, *options).exit_code == 0
    assert _typed("drift", str(inventory), *options).exit_code == 2
    assert calls == [("install", inventory, "daily", heal), ("run", inventory, heal)]


def test_the_timer_is_removed(calls: list[Any], inventory: Path) -> None:
    assert _typed("schedule", str(inventory), "--remove").exit_code == 0
    assert calls == [("remove", inventory)]


@pytest.mark.parametrize("options", [(), (*DAILY, "--remove"), ("--heal", "safe")])
def test_one_of_calendar_and_removal_is_needed(
    calls: list[Any], inventory: Path, options: tuple[str, ...]
) -> None:
    done = _typed("schedule", str(inventory), *options)
    assert done.exit_code == 1
    assert "write either --on-calendar WHEN or --remove" in done.output
    assert calls == []


def test_an_inventory_with_an_ops_host_has_its_timer_there(
    calls: list[Any], inventory: Path
) -> None:
    inventory.write_text(f'{SITE}ops = ["watch"]\n')
    assert _typed("schedule", str(inventory), *DAILY).exit_code == 0
    assert _typed("schedule", str(inventory), "--remove").exit_code == 0
    assert [(name, host.name, when, heal) for name, _, host, when, heal in calls] == [
        ("on the ops host", "watch", "daily", None),
        ("on the ops host", "watch", None, None),
    ]


def test_here_means_this_machine_and_reads_no_inventory(calls: list[Any], inventory: Path) -> None:
    inventory.write_text("raise RuntimeError")
    assert _typed("schedule", str(inventory), *DAILY, "--here").exit_code == 0
    assert _typed("schedule", str(inventory), "--remove", "--here").exit_code == 0
    assert calls == [("install", inventory, "daily", None), ("remove", inventory)]


def test_systemd_asks_for_the_report_of_a_killed_run(calls: list[Any], inventory: Path) -> None:
    assert _typed("drift", str(inventory), "--tell-failure").exit_code == 1
    assert calls == [("told", inventory)]
