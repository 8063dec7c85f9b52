"""A check that fails is reported, whatever breaks on the way."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mattermost_host.drift import memory
from mattermost_host.drift import run as drift
from mattermost_host.drift.repair import Heal
from mattermost_host.engine import locks
from mattermost_host.plan.plan import Plan
from mattermost_host.support.errors import OperatorError
from tests.unit import odd_files
from tests.unit.drift.planned_hosts import OPEN, RIGHT, Hosts, last_entry, metrics_text, plan_of
from tests.unit.listeners import Hook, mail_server, webhook


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (OperatorError("h1: connection refused"), "h1: connection refused"),
        (KeyError("boom"), "an unexpected KeyError, a defect of this program; details are in "),
        (SystemExit(0), "an unexpected SystemExit, a defect of this program; details are in "),
        (MemoryError("s3cret"), "an unexpected MemoryError, a defect of this program; "),
    ],
)
def test_it_could_not_be_told(
    hosts: Hosts,
    inventory: Path,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    says: str,
) -> None:
    hosts.plans = [error]
    assert drift.run(inventory, None) == 1
    assert f"error: {says}" in capsys.readouterr().out
    assert last_entry(inventory)["reason"].startswith(says)
    assert 'status{site="chat"} 1.0' in metrics_text(inventory)


def test_a_host_of_which_nothing_is_known_is_no_host_without_drift(
    hosts: Hosts, inventory: Path
) -> None:
    hosts.plans = [Plan({}, unknown={"h1": "it gave no answer"})]
    assert drift.run(inventory, None) == 1
    assert last_entry(inventory)["reason"] == "h1: it gave no answer"


@pytest.mark.parametrize("text", [None, "site = 1\n", "nonsense("])
def test_an_inventory_that_is_broken_is_in_the_history(
    hosts: Hosts, inventory: Path, text: str | None
) -> None:
    if text is None:
        inventory.unlink()
    else:
        inventory.write_text(text)
    assert drift.run(inventory, None) == 1
    assert str(inventory) in last_entry(inventory)["reason"]
    assert text is not None or not locks.lock_path(inventory).exists()


def test_what_fails_in_telling_keeps_nothing_else_from_being_told(
    hosts: Hosts,
    inventory: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    memory.folder(inventory).parent.mkdir(parents=True)
    memory.folder(inventory).write_text("in the way")
    (inventory.parent / "metrics").rmdir()
    with webhook() as hook:
        monkeypatch.setenv("MATTERMOST_HOST_DRIFT_WEBHOOK", hook.url)
        hosts.plans = [plan_of(OPEN)]
        assert drift.run(inventory, None) == 2
        assert len(hook.posted) == 1
    out = capsys.readouterr().out
    assert "history.jsonl can't be written" in out
    assert ".prom cannot be written" in out
    assert "can't be made" in out


@pytest.mark.parametrize(
    "stage",
    [
        "plan.plan.prepared",
        "plan.plan.evaluate",
        "plan.plan.make",
        "drift.run.leave",
        "plan.apply.carry_out",
        "drift.run.found_in",
        "site.site.Site.load",
        "engine.locks.held",
    ],
)
@pytest.mark.parametrize("error", [KeyError("c0ffee"), SystemExit(0), RecursionError()])
def test_a_check_that_breaks_is_reported(
    hosts: Hosts,
    site_hook: Hook,
    inventory: Path,
    monkeypatch: pytest.MonkeyPatch,
    stage: str,
    error: BaseException,
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise error

    hosts.plans, hosts.safe = [plan_of(OPEN), RIGHT], 1
    monkeypatch.setattr(f"mattermost_host.{stage}", broken)
    assert drift.run(inventory, Heal("safe")) == 1
    (text,) = site_hook.posted
    assert "the check for drift failed" in text
    assert f"an unexpected {type(error).__name__}" in text and "c0ffee" not in text


@pytest.mark.parametrize("error", [OSError(28, "No space left"), KeyError("x"), MemoryError()])
@pytest.mark.parametrize(
    "stage", ["drift.history.append", "drift.metrics.write", "drift.memory.Memory.write"]
)
def test_a_record_that_can_not_be_written_keeps_no_alert_back(
    hosts: Hosts,
    site_hook: Hook,
    inventory: Path,
    monkeypatch: pytest.MonkeyPatch,
    stage: str,
    error: BaseException,
) -> None:
    def broken(*_: Any) -> None:
        raise error

    monkeypatch.setattr(f"mattermost_host.{stage}", broken)
    hosts.plans = [plan_of(OPEN)]
    assert drift.run(inventory, None) == 2
    assert len(site_hook.posted) == 1


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"known": 5}', '{"settings": {"mail": 1}}', "\x00", "null"]
)
def test_a_memory_and_a_history_that_were_edited(
    hosts: Hosts, site_hook: Hook, inventory: Path, text: str
) -> None:
    hosts.plans = [plan_of(OPEN)] * 3
    drift.run(inventory, None)
    for name in ("memory.json", "history.jsonl"):
        (memory.folder(inventory) / name).write_text(text)
    assert drift.run(inventory, None) == 2
    assert len(site_hook.posted) == 2, "rather told once more than never"
    drift.run(inventory, None)
    assert len(site_hook.posted) == 2


@pytest.mark.parametrize("make", [odd_files.pipe, odd_files.linked, Path.mkdir])
def test_what_is_no_file_in_place_of_memory_and_history(
    hosts: Hosts, site_hook: Hook, inventory: Path, make: Callable[[Path], None]
) -> None:
    here = memory.folder(inventory)
    here.mkdir(parents=True)
    for name in ("memory.json", "history.jsonl"):
        make(here / name)
    hosts.plans = [plan_of(OPEN)]
    assert drift.run(inventory, None) == 2
    assert len(site_hook.posted) == 1


def test_an_alert_is_sent_where_the_journal_is_gone(
    hosts: Hosts, site_hook: Hook, inventory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: Any, **__: Any) -> None:
        raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr("click.secho", gone)
    hosts.plans = [plan_of(OPEN)]
    assert drift.run(inventory, None) == 2
    assert len(site_hook.posted) == 1


@pytest.mark.parametrize("broken", ["mode", "toml", "unknown key"])
def test_secrets_that_can_not_be_used_are_reported(
    hosts: Hosts, site_hook: Hook, inventory: Path, broken: str
) -> None:
    secrets = inventory.with_suffix(".secrets.toml")
    if broken == "mode":
        secrets.chmod(0o644)
    else:
        added = "nonsense = [\n" if broken == "toml" else 'nonsense = "x"\n'
        secrets.write_text(added + secrets.read_text())
    assert drift.run(inventory, None) == 1
    (text,) = site_hook.posted
    assert str(secrets) in text


@pytest.mark.parametrize("text", ["nonsense(", "site = 1\n", "import sys; sys.exit()", None])
def test_a_broken_inventory_is_mailed_to_whom_the_last_good_one_named(
    hosts: Hosts, inventory: Path, text: str | None
) -> None:
    with mail_server() as box:
        mail = {
            "recipients": ["ops@example.com"],
            "server": "127.0.0.1",
            "port": box.port,
            "security": "none",
        }
        good = inventory.read_text()
        site = f"site['drift']['mail'] = {mail!r}\n"
        inventory.write_text(good + site)
        hosts.plans = [RIGHT, RIGHT]
        assert drift.run(inventory, None) == 0
        inventory.write_text(text) if text else inventory.unlink()
        assert drift.run(inventory, None) == 1
        assert drift.run(inventory, None) == 1
        (only,) = box.mails
        assert "the check for drift failed" in only
        inventory.write_text(good + site)
        assert drift.run(inventory, None) == 0
        assert "is gone" in box.mails[1]
