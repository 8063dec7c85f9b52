"""One check for drift from end to end, with the plans of a host that is not there."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from mattermost_host.cli.main import main
from mattermost_host.drift import alerts
from mattermost_host.drift import run as drift
from mattermost_host.drift.memory import Memory
from mattermost_host.drift.repair import Heal
from mattermost_host.engine import locks
from mattermost_host.engine.explanations import Change
from mattermost_host.plan import plan as planning
from mattermost_host.plan.plan import Plan
from mattermost_host.site.secrets_file import authority_path
from mattermost_host.site.site import Site
from mattermost_host.support.errors import OperatorError
from tests.unit.drift.planned_hosts import (
    COMMENT,
    OPEN,
    RESTART,
    RIGHT,
    Hosts,
    history_file,
    last_entry,
    metrics_text,
    plan_of,
)
from tests.unit.listeners import webhook


def test_no_drift(hosts: Hosts, inventory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hosts.plans = [RIGHT]
    assert drift.run(inventory, None) == 0
    assert "info: chat: everything matches the inventory" in capsys.readouterr().out
    assert last_entry(inventory)["status"] == 0
    assert 'status{site="chat"} 0.0' in metrics_text(inventory)


def test_drift_goes_to_the_journal_with_its_priority_the_gravest_first(
    hosts: Hosts,
    inventory: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("JOURNAL_STREAM", "8:1")
    hosts.plans = [plan_of(COMMENT, RESTART, OPEN)]
    assert drift.run(inventory, None) == 2
    lines = capsys.readouterr().out.splitlines()
    assert lines[:4] == [
        "<2>h1: table inet x in the kernel is not what the file says",
        "<4>h1: x.service was started before /etc/x.conf changed (a run would restart it)",
        "<6>h1: /etc/x.conf has another content",
        "<2>chat: 3 things differ from the inventory, at worst critical",
    ]
    assert 'changes{severity="critical",site="chat"} 1.0' in metrics_text(inventory)
    # Differences of files are for whoever asks for a plan.
    assert "secret plan" not in history_file(inventory).read_text()
    assert hosts.carried_out == []


def test_what_a_host_names_can_forge_no_line(
    hosts: Hosts,
    inventory: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("JOURNAL_STREAM", "8:1")
    hosts.plans = [plan_of(Change("/etc/x", "leads to a\n<0>the building is on fire"))]
    drift.run(inventory, None)
    assert not [line for line in capsys.readouterr().out.splitlines() if line.startswith("<0>")]


def test_an_operation_without_words_is_drift_all_the_same(hosts: Hosts, inventory: Path) -> None:
    hosts.plans = [plan_of()]
    assert drift.run(inventory, None) == 2
    assert last_entry(inventory)["drift"][0]["subject"] == '"X | it is right"'


def test_a_run_of_somebody_else_is_waited_for(hosts: Hosts, inventory: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from mattermost_host.engine import locks\n"
        "stream = locks.take(Path(sys.argv[1])); print('held', flush=True); sys.stdin.read()"
    )
    argv = [sys.executable, "-c", script, str(inventory)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout and other.stdin
        assert other.stdout.readline() == "held\n"
        with pytest.raises(OperatorError, match=f"deployed by process {other.pid}"):
            drift.run(inventory, Heal("safe"))
        other.stdin.close()
    assert not history_file(inventory).exists()
    hosts.plans = [RIGHT]
    assert drift.run(inventory, None) == 0


def test_the_webhook_is_a_secret_of_the_site(
    hosts: Hosts, inventory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hosts.plans = [RIGHT, plan_of(OPEN), plan_of(OPEN), RIGHT]
    drift.run(inventory, None)
    secrets = inventory.with_suffix(".secrets.toml")
    with webhook() as hook:
        secrets.write_text(f'drift_webhook = "{hook.url}"\n{secrets.read_text()}')
        for status in (2, 2, 0):
            assert drift.run(inventory, None) == status
        assert ["differs from the inventory" in text for text in hook.posted] == [True, False]
    hosts.plans = [plan_of(OPEN)]
    drift.run(inventory, None)  # nobody listens any more
    out = capsys.readouterr().out
    assert "warning: the webhook gave no answer: connection refused" in out
    assert "warning: no report could be sent" in out
    assert "c0ffee" not in out
    assert "c0ffee" not in history_file(inventory).read_text()
    assert "c0ffee" in secrets.read_text(), "generating other secrets keeps it"


def test_the_sites_own_authority_is_trusted(
    hosts: Hosts, inventory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[alerts.Channels] = []

    def tell(channels: alerts.Channels, *_: Any) -> tuple[frozenset[str], tuple[str, ...]]:
        given.append(channels)
        return frozenset(), ()

    monkeypatch.setattr(alerts, "tell", tell)
    hosts.plans = [RIGHT]
    drift.run(inventory, None)
    assert given[0].authority == authority_path(inventory)


def test_command(hosts: Hosts, inventory: Path) -> None:
    run = CliRunner().invoke
    hosts.plans = [plan_of(OPEN)]
    assert run(main, ["drift", str(inventory)]).exit_code == 2
    shown = run(main, ["drift", str(inventory), "--history"])
    assert (shown.exit_code, "table inet x" in shown.output) == (0, True)
    history = history_file(inventory)
    history.write_text('{"edited":\n')
    assert run(main, ["drift", str(inventory), "--history"]).exit_code == 1
    refused = run(main, ["drift", str(inventory), "--heal", "all"])
    assert (refused.exit_code, "--heal all needs a window" in refused.output) == (1, True)


def test_every_file_of_a_release_is_hashed_once_a_week(
    hosts: Hosts, inventory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []

    def evaluate(_: Any, site: Site) -> Plan:
        asked.append(site.by_hash)
        return hosts.next()

    monkeypatch.setattr(planning, "evaluate", evaluate)
    hosts.plans = [OperatorError("no answer"), *[RIGHT] * 4]
    drift.run(inventory, None)
    for age_s in (0, 0, 6 * 24 * 3600, 8 * 24 * 3600):
        kept = Memory.read(inventory)
        kept.hashed -= age_s
        kept.write(inventory)
        drift.run(inventory, None)
    assert asked == [True, True, False, False, True], "a look that failed has hashed nothing"


def test_only_healing_takes_the_lock(hosts: Hosts, inventory: Path) -> None:
    lock = locks.lock_path(inventory)
    lock.unlink(missing_ok=True)
    hosts.plans = [RIGHT, RIGHT]
    assert drift.run(inventory, None) == 0
    assert not lock.exists()
    assert drift.run(inventory, Heal("safe")) == 0
    assert lock.exists()
