"""Units: started, restarted or reloaded from what the host says, never from an event."""

import contextlib
import subprocess
from dataclasses import replace
from pathlib import Path
from unittest import mock

import pytest
from pyinfra.api import Config, Inventory, State
from pyinfra.api.connect import connect_all
from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.operation import OperationMeta, add_op
from pyinfra.api.operations import run_ops
from pyinfra.api.state import StateStage
from pyinfra.context import ctx_inventory, ctx_state

from mattermost_host.engine import explanations
from mattermost_host.ops import entries, files, running
from mattermost_host.ops.entries import Alone, Entry, File
from mattermost_host.ops.hold import Hold
from mattermost_host.ops.probe import Answering
from mattermost_host.ops.running import Gate
from mattermost_host.ops.unit_state import AskUnit, UnitState
from tests.unit import local
from tests.unit.fake_host import Plan, answering, apply, nothing_installed, plan
from tests.unit.ops.machine import QUESTION, RIGHT

START = "start"


RESTART = "restart"


RELOAD = "reload"


def _files() -> OperationMeta:
    return files.present(name="files are right", entries=[File("/etc/x.conf", "")])


def _deploy(write: bool = False) -> None:
    written = [_files()] if write else []
    running.running(
        name="x runs",
        unit="x.service",
        restart_on=["/etc/x.conf"],
        reload_on=["/etc/x.pem"],
        after=written,
    )


def _verbs(result: Plan) -> list[str]:
    """The verbs that systemctl is given, in order, but for the one that only shows a unit."""
    words = result.step("x runs").shell.split()
    verbs = [words[at + 1] for at, word in enumerate(words) if word == "systemctl"]
    return [verb for verb in verbs if verb != "cat"]


@pytest.mark.parametrize(("there", "verbs"), [(True, [RELOAD]), (False, [])])
def test_a_file_that_the_run_removed_is_reloaded_for(there: bool, verbs: list[str]) -> None:
    """Nothing on the host tells it: the run that removed it has to know."""
    gone = entries.Absent("/etc/x.pem")

    def deploy() -> None:
        removed = files.present(name="files are right", entries=[gone])
        running.running(name="x runs", unit="x.service", reload_on=[gone.path], after=[removed])

    found = {gone.path: entries.State("regular file", "644", "root", "root", "0")} if there else {}
    known = {AskUnit("x.service", (), (gone.path,)): RIGHT, files._question([gone]): found}
    with mock.patch.object(running, "is_executing", return_value=True):
        result = plan(deploy, answer=answering(known, nothing_installed))
    assert _verbs(result) == verbs


@pytest.mark.parametrize(
    ("state", "verbs"),
    [
        (RIGHT, []),
        (UnitState(), ["enable", "reset-failed", START]),
        (UnitState(enabled=True), ["reset-failed", START]),
        (UnitState(active=True), ["enable"]),
        (
            UnitState(active=True, enabled=True, needs_daemon_reload=True),
            ["daemon-reload", RESTART],
        ),
        (replace(RIGHT, needs_daemon_reload=True, unit_files_alike=True), ["daemon-reload"]),
        (UnitState(masked=True), ["unmask", "enable", "reset-failed", START]),
        (UnitState(active=True, enabled=True, to_restart=("/etc/x.conf",)), [RESTART]),
        (UnitState(active=True, enabled=True, overriding=("/run/y",)), ["daemon-reload", RESTART]),
        # What runs is what runs: the link only kept it from the next start.
        (UnitState(active=True, enabled=True, masks=("/run/y",)), ["daemon-reload"]),
        (
            replace(RIGHT, dangling=("/etc/systemd/system/x.service.requires/y.service",)),
            ["daemon-reload"],
        ),
        (UnitState(active=True, enabled=True, lowered=("may open fewer files",)), [RESTART]),
        (UnitState(active=True, enabled=True, to_reload=("/etc/x.pem",)), [RELOAD]),
        # A restart reads everything, so no reload beside it.
        (UnitState(active=True, enabled=True, to_restart=("a",), to_reload=("b",)), [RESTART]),
    ],
)
def test_answers_in_commands_out(state: UnitState, verbs: list[str]) -> None:
    assert _verbs(plan(_deploy, answer=answering({QUESTION: state}))) == verbs


@pytest.mark.parametrize(
    ("unit", "words"),
    [("x.service", "close_idle && drain 120 && hold 75"), ("nginx.service", "hold_front 75")],
)
def test_users_wait_while_a_unit_is_restarted(unit: str, words: str) -> None:
    """Not for a start, nor for a reload: then nothing that they use goes away."""
    hold = Hold(("127.0.0.1", 8065), "www-data")
    question = AskUnit(unit, ("/etc/x.conf",))

    def deploy() -> None:
        running.running(name="it runs", unit=unit, restart_on=["/etc/x.conf"], hold=hold)

    stale = replace(RIGHT, to_restart=("/etc/x.conf",))
    shell = plan(deploy, answer=answering({question: stale})).shell
    ours = shell[shell.index("trap let_go EXIT") :].splitlines()
    assert ours == [
        "trap let_go EXIT",
        f"if proxy_runs; then {words} || :; fi",
        f"systemctl restart {unit} || {{ journalctl -u {unit} -n 20 --no-pager >&2; exit 1; }}",
        "wait_for_database || :",
        "let_go || :",
        "trap - EXIT",
    ]
    checked = subprocess.run(["dash", "-n"], input=shell, text=True, check=False)
    assert checked.returncode == 0
    for calm in (replace(RIGHT, active=False), replace(RIGHT, to_reload=("/etc/x.pem",)), RIGHT):
        assert "let_go" not in plan(deploy, answer=answering({question: calm})).shell


def test_of_many_files_some_are_named() -> None:
    """A folder in the place of the link `current` has thousands."""
    state = replace(RIGHT, to_restart=tuple(f"/f{at}" for at in range(running.SHOWN + 1000)))
    with explanations.collecting():
        (step,) = plan(_deploy, answer=answering({QUESTION: state})).steps
    assert len(step.told) == running.SHOWN + 1
    assert step.told[-1].found == "was started before 1000 more files changed"


def test_a_plan_foresees_the_restart_of_a_file_it_did_not_write() -> None:
    answer = answering({QUESTION: RIGHT}, nothing_installed)
    assert _verbs(plan(_deploy, True, answer=answer)) == [RESTART]


@pytest.mark.parametrize(
    ("entry", "verbs"),
    [
        (File("/etc/x.conf", "new"), [RESTART]),
        (File("/etc/x.conf", "as noted"), []),
        (File("/etc/x.pem", "new"), [RELOAD]),
        (File("/etc/y.conf", "new"), []),
        (Alone("/etc/x.d"), []),
    ],
)
def test_a_plan_foresees_what_follows_from_each_file(entry: Entry, verbs: list[str]) -> None:
    """By what the process read at its start, and by what no unit reads."""

    def deploy() -> None:
        written = files.present(name="files are right", entries=[entry])
        running.running(
            name="x runs",
            unit="x.service",
            restart_on=["/etc/x.conf", "/etc/x.d"],
            reload_on=["/etc/x.pem"],
            after=[written],
        )

    noted = {"/etc/x.conf": File("", "as noted").sha256}
    question = AskUnit("x.service", ("/etc/x.conf", "/etc/x.d"), ("/etc/x.pem",))
    folder = entries.State("directory", "755", "root", "root", members=("by-hand.conf",))
    listed = {"/etc/x.d": folder} if isinstance(entry, Alone) else {}
    asked = files._question([entry])
    # The file by hand is newer than the process, and not in the note.
    state = replace(RIGHT, to_restart=("/etc/x.d/by-hand.conf",) if listed else (), noted=noted)
    answer = answering({question: state, asked: listed}, nothing_installed)
    result = plan(deploy, answer=answer)
    assert result.step("files are right").changes
    assert _verbs(result) == verbs


def test_a_run_restarts_for_what_the_host_says_and_for_nothing_else() -> None:
    # The file was written in this run, but the host says the unit is newer: nothing to do.
    done = apply(_deploy, True, answer=answering({QUESTION: RIGHT}, nothing_installed))
    assert done.changed == ["files are right"]


def test_a_restart_lost_by_a_killed_run_comes_with_the_next() -> None:
    stale = UnitState(active=True, enabled=True, to_restart=("/etc/x.conf",))
    done = apply(_deploy, answer=answering({QUESTION: stale}))
    assert _verbs(done) == [RESTART]


def test_a_failing_start_shows_the_journal_and_fails(tmp_path: Path) -> None:
    programs = tmp_path / "programs"
    local.program(programs, "systemctl", 'case "$1" in start) exit 1;; esac')
    local.program(programs, "journalctl", "echo 'x: bad option in line 3'")
    done = local.run(plan(_deploy).shell, programs=programs)
    assert done.returncode == 1
    assert "bad option in line 3" in done.stderr


def test_the_unit_file_is_made_younger_before_systemd_reads_it() -> None:
    # A run that ends between the two commands leaves a restart for the next run to find.
    unit_file = f"{running.UNIT_FILES}/x.service"
    state = UnitState(active=True, enabled=True, needs_daemon_reload=True)
    question = AskUnit("x.service", (unit_file, "/etc/x.conf"))
    result = plan(
        lambda: running.running(
            name="x runs", unit="x.service", restart_on=[unit_file, "/etc/x.conf"]
        ),
        answer=answering({question: state}),
    )
    lines = result.shell.splitlines()
    assert lines.index(f"touch -c {unit_file}") < lines.index("systemctl daemon-reload")
    assert "touch -c /etc/x.conf" not in lines


GATE = Gate("test -e /run/works", seconds=3)


def _gated() -> None:
    running.running(name="x runs", unit="x.service", gate=GATE, one_after_another=True)


def test_a_start_waits_for_the_gate_and_a_running_unit_does_not() -> None:
    fresh = plan(_gated)
    assert "systemctl start x.service" in fresh.shell
    assert "until timeout 5 sh -c 'test -e /run/works'" in fresh.shell
    answer = answering({AskUnit("x.service"): RIGHT})
    assert plan(_gated, answer=answer).changed == []


@pytest.mark.parametrize(("command", "status"), [("true", 0), ("false", 1)])
def test_a_gate_that_stays_closed_fails(command: str, status: int) -> None:
    script = f"journalctl() {{ :; }}\n{Gate(command, seconds=1).wait('x.service')}"
    done = subprocess.run(["sh", "-eu", "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == status
    assert ("x.service does not work 1 s after its start" in done.stderr) == bool(status)


@pytest.mark.parametrize(
    ("state", "verbs"),
    [(RIGHT, ["disable"]), (UnitState(enabled=True), ["disable"]), (UnitState(), [])],
)
def test_a_unit_can_be_installed_and_stopped(state: UnitState, verbs: list[str]) -> None:
    def deploy() -> None:
        running.stopped(name="x runs", unit="x.service")

    assert _verbs(plan(deploy, answer=answering({AskUnit("x.service"): state}))) == verbs


def _roll(*, works: bool) -> list[str]:
    """The commands that two hosts get, each in its turn, where the first restart works or not."""
    hosts = ["@fake/1", "@fake/2"]
    data = {
        "fake_delay": 0,
        "fake_delay_jitter": 0,
        "fake_responses": {"systemctl restart": {"success": works}},
    }
    sent: list[str] = []
    inventory = Inventory((hosts, {}), override_data=data)  # type: ignore[no-untyped-call]
    state = State(inventory, Config(), check_for_changes=False)  # type: ignore[no-untyped-call]
    old = UnitState(active=True, enabled=True, to_restart=("/etc/x.conf",))
    wanted = running._Wanted(AskUnit("x.service"), GATE)
    with (
        mock.patch.object(running, "ask", lambda _: old),
        mock.patch.object(running, "changing", lambda command: iter([command])),
        ctx_state.use(state),
        ctx_inventory.use(inventory),
    ):
        connect_all(state)
        add_op(state, running._running, name="x runs", wanted=wanted, _serial=True)
        state.set_stage(StateStage.Execute)
        with contextlib.suppress(PyinfraError):
            run_ops(state)
        for host in inventory:
            (digest,) = host.op_hash_order
            meta = state.get_op_data_for_host(host, digest).operation_meta
            sent.append("\n".join(map(str, meta._commands or [])))
    return sent


def test_where_one_host_fails_the_next_is_left_as_it_is() -> None:
    refused, tried = sorted(_roll(works=False))
    assert "systemctl restart x.service" in tried
    assert "x.service is left as it is, because it failed on @fake/" in refused
    assert "systemctl" not in refused


def test_one_host_after_the_other_is_restarted() -> None:
    for commands in _roll(works=True):
        assert "systemctl restart x.service" in commands


PROBE = "curl http://127.0.0.1/"


def _probed() -> None:
    running.running(name="x runs", unit="x.service", probe=PROBE)


def test_what_runs_and_does_not_answer_is_ended_and_started() -> None:
    answers = {AskUnit("x.service"): RIGHT, Answering((("x.service", PROBE),)): frozenset()}
    result = plan(_probed, answer=answering(answers))
    assert _verbs(result) == ["kill", "stop", "kill", START]
    assert "timeout 30 systemctl stop x.service || systemctl kill --signal=KILL" in result.shell


def test_what_answers_is_left_alone() -> None:
    answering_ = Answering((("x.service", PROBE),))
    answers = {AskUnit("x.service"): RIGHT, answering_: frozenset({"x.service"})}
    assert plan(_probed, answer=answering(answers)).changed == []


def test_what_does_not_run_is_not_expected_to_answer() -> None:
    assert _verbs(plan(_probed)) == ["enable", "reset-failed", START]


def test_a_process_stopped_by_a_signal_is_ended_and_started() -> None:
    state = replace(RIGHT, suspended=True)
    result = plan(_deploy, answer=answering({QUESTION: state}))
    assert _verbs(result) == ["kill", "stop", "kill", START]
