"""One look for drift from end to end, with the plans of a host that is not there."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from mattermost_host.cli.main import main
from mattermost_host.drift import alerts, memory
from mattermost_host.drift import run as drift
from mattermost_host.drift.memory import Memory
from mattermost_host.drift.repair import Heal
from mattermost_host.engine import locks
from mattermost_host.engine.explanations import Change
from mattermost_host.plan import apply as application
from mattermost_host.plan import plan as planning
from mattermost_host.plan.plan import Plan, Step
from mattermost_host.site.secrets_file import authority_path
from mattermost_host.site.site import Site
from mattermost_host.support.errors import OperatorError
from tests.unit.listeners import Hook, mail_server, webhook

RIGHT = Plan({"h1": ()})
OPEN = Change("table inet x", "in the kernel is not what the file says", severity="critical")
COMMENT = Change("/etc/x.conf", "has another content", severity="info", diff=("-# secret plan",))
RESTART = Change("x.service", "runs since before /etc/x.conf changed", "restart")


def _plan(*changes: Change) -> Plan:
    return Plan({"h1": (Step("X | it is right", changes),)})


@dataclass
class Hosts:
    """Plans to come, one after the other, and what was carried out."""

    plans: list[Plan | BaseException] = field(default_factory=list)
    safe: int = 0
    """How many operations of a plan are safe."""
    carried_out: list[str] = field(default_factory=list)
    breaks: str = ""

    def next(self, *_: Any) -> Plan:
        plan = self.plans.pop(0)
        if isinstance(plan, BaseException):
            raise plan
        return plan


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


def _history(inventory: Path) -> Path:
    return memory.folder(inventory) / "history.jsonl"


def _last(inventory: Path) -> dict[str, Any]:
    entry: dict[str, Any] = json.loads(_history(inventory).read_text().splitlines()[-1])
    return entry


def _metrics(inventory: Path) -> str:
    (path,) = (inventory.parent / "metrics").iterdir()
    return path.read_text()


def test_no_drift(hosts: Hosts, inventory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hosts.plans = [RIGHT]
    assert drift.run(inventory, None) == 0
    assert "info: chat: everything is as described" in capsys.readouterr().out
    assert _last(inventory)["status"] == 0
    assert 'status{site="chat"} 0.0' in _metrics(inventory)


def test_drift_goes_to_the_journal_with_its_priority_the_gravest_first(
    hosts: Hosts,
    inventory: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("JOURNAL_STREAM", "8:1")
    hosts.plans = [_plan(COMMENT, RESTART, OPEN)]
    assert drift.run(inventory, None) == 2
    lines = capsys.readouterr().out.splitlines()
    assert lines[:4] == [
        "<2>h1: table inet x in the kernel is not what the file says",
        "<4>h1: x.service runs since before /etc/x.conf changed (a run would restart it)",
        "<6>h1: /etc/x.conf has another content",
        "<2>chat: 3 things are not as described, at worst critical",
    ]
    assert 'changes{severity="critical",site="chat"} 1.0' in _metrics(inventory)
    # Differences of files are for whoever asks for a plan.
    assert "secret plan" not in _history(inventory).read_text()
    assert hosts.carried_out == []


def test_what_a_host_names_can_forge_no_line(
    hosts: Hosts,
    inventory: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("JOURNAL_STREAM", "8:1")
    hosts.plans = [_plan(Change("/etc/x", "leads to a\n<0>the building is on fire"))]
    drift.run(inventory, None)
    assert not [line for line in capsys.readouterr().out.splitlines() if line.startswith("<0>")]


def test_an_operation_without_words_is_drift_all_the_same(hosts: Hosts, inventory: Path) -> None:
    hosts.plans = [_plan()]
    assert drift.run(inventory, None) == 2
    assert _last(inventory)["drift"][0]["subject"] == '"X | it is right"'


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
    assert _last(inventory)["reason"].startswith(says)
    assert 'status{site="chat"} 1.0' in _metrics(inventory)


def test_a_host_of_which_nothing_is_known_is_no_host_without_drift(
    hosts: Hosts, inventory: Path
) -> None:
    hosts.plans = [Plan({}, unknown={"h1": "it gave no answer"})]
    assert drift.run(inventory, None) == 1
    assert _last(inventory)["reason"] == "h1: it gave no answer"


@pytest.mark.parametrize("text", [None, "site = 1\n", "nonsense("])
def test_an_inventory_that_is_broken_is_in_the_history(
    hosts: Hosts, inventory: Path, text: str | None
) -> None:
    if text is None:
        inventory.unlink()
    else:
        inventory.write_text(text)
    assert drift.run(inventory, None) == 1
    assert str(inventory) in _last(inventory)["reason"]
    assert text is not None or not locks.lock_path(inventory).exists()


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
    assert not _history(inventory).exists()
    hosts.plans = [RIGHT]
    assert drift.run(inventory, None) == 0


class TestHealing:
    def test_what_is_safe_is_put_right_and_proven(
        self, hosts: Hosts, inventory: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        hosts.plans, hosts.safe = [_plan(OPEN, COMMENT), RIGHT], 1
        assert drift.run(inventory, Heal("safe")) == 0
        assert hosts.carried_out == ["left: safe", "everything"]
        out = capsys.readouterr().out
        assert "notice: put right: h1: table inet x" in out
        assert "chat: everything is as described; 2 things put right" in out
        assert [one["subject"] for one in _last(inventory)["healed"]] == [
            "table inet x",
            "/etc/x.conf",
        ]
        assert 'healed{site="chat"} 2.0' in _metrics(inventory)

    def test_what_was_generated_for_it_is_kept(
        self, hosts: Hosts, inventory: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        secrets = inventory.with_suffix(".secrets.toml")
        secrets.unlink()
        hosts.plans, hosts.safe = [_plan(OPEN), RIGHT], 1
        drift.run(inventory, None)
        assert not secrets.exists()
        seen: list[Site] = []
        monkeypatch.setattr(planning, "make", lambda site: (seen.append(site), RIGHT)[1])  # type: ignore[func-returns-value]
        hosts.plans, hosts.safe = [_plan(OPEN)], 1
        drift.run(inventory, Heal("safe"))
        assert secrets.exists()
        assert seen[0].secrets.planned == (), "what is proven is the site as it is now"

    def test_what_is_left_is_drift(self, hosts: Hosts, inventory: Path) -> None:
        hosts.plans, hosts.safe = [_plan(OPEN, RESTART), _plan(RESTART)], 1
        assert drift.run(inventory, Heal("safe")) == 2
        entry = _last(inventory)
        assert [one["subject"] for one in entry["healed"]] == ["table inet x"]
        assert [one["subject"] for one in entry["drift"]] == ["x.service"]

    def test_nothing_runs_where_nothing_is_safe(self, hosts: Hosts, inventory: Path) -> None:
        hosts.plans = [_plan(RESTART)]
        assert drift.run(inventory, Heal("safe")) == 2
        assert "everything" not in hosts.carried_out

    def test_nothing_runs_where_there_is_no_drift(self, hosts: Hosts, inventory: Path) -> None:
        hosts.plans = [RIGHT]
        heal = Heal.parse("all", "00:00-23:59")
        assert drift.run(inventory, heal) == 0
        assert hosts.carried_out == []

    @pytest.mark.parametrize("inside", [True, False])
    def test_everything_in_the_window_only(
        self, hosts: Hosts, inventory: Path, monkeypatch: pytest.MonkeyPatch, inside: bool
    ) -> None:
        class Clock(datetime):
            @classmethod
            def now(cls, tz: Any = None) -> "Clock":
                return cls(2026, 3, 1, 3 if inside else 12, tzinfo=tz)

        monkeypatch.setattr(drift, "datetime", Clock)
        hosts.plans = [_plan(RESTART), RIGHT] if inside else [_plan(RESTART)]
        status = drift.run(inventory, Heal.parse("all", "02:00-04:00"))
        assert status == (0 if inside else 2)
        assert ("everything" in hosts.carried_out) == inside

    def test_a_run_that_breaks_is_told_and_the_rest_proven(
        self, hosts: Hosts, inventory: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        hosts.plans, hosts.safe = [_plan(OPEN, COMMENT), _plan(OPEN)], 2
        hosts.breaks = "the run failed on h1"
        assert drift.run(inventory, Heal("safe")) == 2
        assert "not everything could be put right: the run failed on h1" in capsys.readouterr().out
        assert [one["subject"] for one in _last(inventory)["healed"]] == ["/etc/x.conf"]


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
        hosts.plans = [_plan(OPEN)]
        assert drift.run(inventory, None) == 2
        assert len(hook.posted) == 1
    out = capsys.readouterr().out
    assert "history.jsonl can't be written" in out
    assert ".prom cannot be written" in out
    assert "can't be made" in out


def test_the_webhook_is_a_secret_of_the_site(
    hosts: Hosts, inventory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hosts.plans = [RIGHT, _plan(OPEN), _plan(OPEN), RIGHT]
    drift.run(inventory, None)
    secrets = inventory.with_suffix(".secrets.toml")
    with webhook() as hook:
        secrets.write_text(f'drift_webhook = "{hook.url}"\n{secrets.read_text()}')
        for status in (2, 2, 0):
            assert drift.run(inventory, None) == status
        assert ["is not as described" in text for text in hook.posted] == [True, False]
    hosts.plans = [_plan(OPEN)]
    drift.run(inventory, None)  # nobody listens any more
    out = capsys.readouterr().out
    assert "warning: the webhook gave no answer: connection refused" in out
    assert "warning: nobody could be told" in out
    assert "c0ffee" not in out
    assert "c0ffee" not in _history(inventory).read_text()
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


def test_two_inventories_of_one_name_share_nothing(tmp_path: Path) -> None:
    one, other = tmp_path / "a" / "chat.py", tmp_path / "b" / "chat.py"
    assert memory.key(one) != memory.key(other)
    assert memory.key(one).startswith("chat-")
    assert memory.folder(one) != memory.folder(other)


def test_where_the_state_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert memory.folder(tmp_path / "a.py").is_relative_to("/var/lib/mattermost-host/drift")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert memory.folder(tmp_path / "a.py").is_relative_to(Path.home() / ".local/state")


def test_command(hosts: Hosts, inventory: Path) -> None:
    run = CliRunner().invoke
    hosts.plans = [_plan(OPEN)]
    assert run(main, ["drift", str(inventory)]).exit_code == 2
    shown = run(main, ["drift", str(inventory), "--history"])
    assert (shown.exit_code, "table inet x" in shown.output) == (0, True)
    history = _history(inventory)
    history.write_text('{"edited":\n')
    assert run(main, ["drift", str(inventory), "--history"]).exit_code == 1
    refused = run(main, ["drift", str(inventory), "--heal", "all"])
    assert (refused.exit_code, "--heal all needs --window" in refused.output) == (1, True)


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


@pytest.fixture
def hook(inventory: Path) -> Iterator[Hook]:
    """A webhook that the site's secrets name."""
    secrets = inventory.with_suffix(".secrets.toml")
    with webhook() as made:
        secrets.write_text(f'drift_webhook = "{made.url}"\n{secrets.read_text()}')
        yield made


class TestTheAlertCannotFail:
    """Whatever breaks on the way, people hear of it."""

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
    def test_where_the_look_breaks(
        self,
        hosts: Hosts,
        hook: Hook,
        inventory: Path,
        monkeypatch: pytest.MonkeyPatch,
        stage: str,
        error: BaseException,
    ) -> None:
        def broken(*_: Any, **__: Any) -> None:
            raise error

        hosts.plans, hosts.safe = [_plan(OPEN), RIGHT], 1
        monkeypatch.setattr(f"mattermost_host.{stage}", broken)
        assert drift.run(inventory, Heal("safe")) == 1
        (text,) = hook.posted
        assert "the check for drift failed" in text
        assert f"an unexpected {type(error).__name__}" in text and "c0ffee" not in text

    @pytest.mark.parametrize("error", [OSError(28, "No space left"), KeyError("x"), MemoryError()])
    @pytest.mark.parametrize(
        "stage", ["drift.history.append", "drift.metrics.write", "drift.memory.Memory.write"]
    )
    def test_where_the_keeping_breaks(
        self,
        hosts: Hosts,
        hook: Hook,
        inventory: Path,
        monkeypatch: pytest.MonkeyPatch,
        stage: str,
        error: BaseException,
    ) -> None:
        def broken(*_: Any) -> None:
            raise error

        monkeypatch.setattr(f"mattermost_host.{stage}", broken)
        hosts.plans = [_plan(OPEN)]
        assert drift.run(inventory, None) == 2
        assert len(hook.posted) == 1

    @pytest.mark.parametrize(
        "text", ["{", "[]", '{"known": 5}', '{"settings": {"mail": 1}}', "\x00", "null"]
    )
    def test_a_memory_and_a_history_that_were_edited(
        self, hosts: Hosts, hook: Hook, inventory: Path, text: str
    ) -> None:
        hosts.plans = [_plan(OPEN)] * 3
        drift.run(inventory, None)
        for name in ("memory.json", "history.jsonl"):
            (memory.folder(inventory) / name).write_text(text)
        assert drift.run(inventory, None) == 2
        assert len(hook.posted) == 2, "rather told once more than never"
        drift.run(inventory, None)
        assert len(hook.posted) == 2

    @pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir, lambda path: path.symlink_to("pipe")])
    def test_what_is_no_file_in_their_place(
        self, hosts: Hosts, hook: Hook, inventory: Path, make: Callable[[Path], None]
    ) -> None:
        here = memory.folder(inventory)
        here.mkdir(parents=True)
        os.mkfifo(here / "pipe")
        for name in ("memory.json", "history.jsonl"):
            make(here / name)
        hosts.plans = [_plan(OPEN)]
        assert drift.run(inventory, None) == 2
        assert len(hook.posted) == 1

    def test_a_journal_that_is_gone(
        self, hosts: Hosts, hook: Hook, inventory: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def gone(*_: Any, **__: Any) -> None:
            raise BrokenPipeError(32, "Broken pipe")

        monkeypatch.setattr("click.secho", gone)
        hosts.plans = [_plan(OPEN)]
        assert drift.run(inventory, None) == 2
        assert len(hook.posted) == 1

    @pytest.mark.parametrize("broken", ["mode", "toml", "unknown key"])
    def test_secrets_that_can_not_be_used(
        self, hosts: Hosts, hook: Hook, inventory: Path, broken: str
    ) -> None:
        secrets = inventory.with_suffix(".secrets.toml")
        if broken == "mode":
            secrets.chmod(0o644)
        else:
            added = "nonsense = [\n" if broken == "toml" else 'nonsense = "x"\n'
            secrets.write_text(added + secrets.read_text())
        assert drift.run(inventory, None) == 1
        (text,) = hook.posted
        assert str(secrets) in text

    @pytest.mark.parametrize("text", ["nonsense(", "site = 1\n", "import sys; sys.exit()", None])
    def test_a_broken_inventory_is_mailed_to_whom_the_last_good_one_named(
        self, hosts: Hosts, inventory: Path, text: str | None
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
            assert "has ended" in box.mails[1]


class TestARunThatWasEnded:
    """systemd says how, and asks for it to be told."""

    def _ended(self, inventory: Path, monkeypatch: pytest.MonkeyPatch, invocation: str) -> int:
        monkeypatch.setenv("INVOCATION_ID", invocation)
        monkeypatch.setenv("SERVICE_RESULT", "oom-kill")
        monkeypatch.setenv("EXIT_CODE", "killed")
        monkeypatch.setenv("EXIT_STATUS", "KILL")
        words = ["drift", str(inventory), "--tell-failure"]
        return CliRunner().invoke(main, words).exit_code

    def test_is_told_with_its_reason(
        self, hosts: Hosts, hook: Hook, inventory: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert self._ended(inventory, monkeypatch, "a") == 1
        assert "before it could tell anything: oom-kill killed KILL" in hook.posted[0]
        assert _last(inventory)["status"] == 1
        assert self._ended(inventory, monkeypatch, "b") == 1
        assert len(hook.posted) == 1, "the same is told once"

    @pytest.mark.parametrize("busy", [False, True])
    def test_is_not_told_where_it_told_itself(
        self,
        hosts: Hosts,
        hook: Hook,
        inventory: Path,
        monkeypatch: pytest.MonkeyPatch,
        busy: bool,
    ) -> None:
        monkeypatch.setenv("INVOCATION_ID", "a")
        hosts.plans = [_plan(OPEN)]
        if busy:
            monkeypatch.setattr(locks, "refuse_busy", _busy)
            with pytest.raises(locks.Busy):
                drift.run(inventory, None)
        else:
            drift.run(inventory, None)
        told = len(hook.posted)
        assert told == (0 if busy else 1)
        assert self._ended(inventory, monkeypatch, "a") == 1
        assert len(hook.posted) == told
        assert self._ended(inventory, monkeypatch, "b") == 1
        assert len(hook.posted) == told + 1


def _busy(_: Path) -> None:
    raise locks.Busy("chat.py is being deployed")
