"""Units: started, restarted or reloaded from what the host says, never from an event."""

import contextlib
import os
import signal
import subprocess
import time
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

from mattermost_host.ops import files, running, unit_files, what_was_read
from mattermost_host.ops.entries import File
from mattermost_host.ops.probe import Answering
from mattermost_host.ops.running import Gate
from mattermost_host.ops.unit_state import AskUnit, UnitState
from tests.unit import local
from tests.unit.fake_host import Plan, answering, apply, nothing_installed, plan

RIGHT = UnitState(active=True, enabled=True)
QUESTION = AskUnit("x.service", ("/etc/x.conf",), ("/etc/x.pem",))
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
        restart_after=written,
    )


def _verbs(result: Plan) -> list[str]:
    """The verbs that systemctl is given, in order."""
    words = result.step("x runs").shell.split()
    return [words[at + 1] for at, word in enumerate(words) if word == "systemctl"]


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
        (UnitState(active=True, enabled=True, lowered=("may open fewer files",)), [RESTART]),
        (UnitState(active=True, enabled=True, to_reload=("/etc/x.pem",)), [RELOAD]),
        # A restart reads everything, so no reload beside it.
        (UnitState(active=True, enabled=True, to_restart=("a",), to_reload=("b",)), [RESTART]),
    ],
)
def test_answers_in_commands_out(state: UnitState, verbs: list[str]) -> None:
    assert _verbs(plan(_deploy, answer=answering({QUESTION: state}))) == verbs


def test_a_plan_foresees_the_restart_of_a_file_it_did_not_write() -> None:
    answer = answering({QUESTION: RIGHT}, nothing_installed)
    assert _verbs(plan(_deploy, True, answer=answer)) == [RESTART]


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


def test_a_unit_that_is_not_there() -> None:
    assert QUESTION.parse([]) == UnitState()


SHOWN = (
    "ActiveState=active\nUnitFileState=enabled\nLoadState=loaded\nNeedDaemonReload=no\nMainPID=0"
    "\nMainPID=99999999"  # nobody's
)


class Machine:
    """systemd's traces in a folder: the start of a unit, our stamp, and the files it reads."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.started = folder / "units" / "invocation:x.service"
        self.started.parent.mkdir()
        self.stamp = folder / "stamps" / "reloaded:x.service"
        self.stamp.parent.mkdir()
        self.drop_in = folder / "system" / "x.service.d" / "ours.conf"
        self.drop_in.parent.mkdir(parents=True)
        self.restarted = folder / "x.conf"
        self.reloaded = folder / "x.pem"
        self.shows(SHOWN)

    def shows(self, text: str) -> None:
        script = f"case \"$*\" in *--value*) echo 0;; *) echo '{text}';; esac"
        local.program(self.folder / "programs", "systemctl", script)

    def touch(self, *paths: Path) -> None:
        """Change the inode of each, one after the other, later than everything before."""
        for path in paths:
            time.sleep(0.02)  # the clock of inodes ticks every few milliseconds
            path.unlink(missing_ok=True)
            path.touch()

    def state(self) -> UnitState:
        question = AskUnit("x.service", (str(self.restarted),), (str(self.reloaded),))
        places = {
            "/run/systemd/units": self.started.parent,
            what_was_read.STAMPS: self.stamp.parent,
            running.UNIT_FILES: self.drop_in.parents[1],
        }
        state = local.ask_here(question, self.folder / "programs", places)
        assert isinstance(state, UnitState)
        return state


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_files_older_than_the_start_are_read(machine: Machine) -> None:
    machine.touch(machine.restarted, machine.reloaded, machine.started)
    assert machine.state() == RIGHT


def test_files_newer_than_the_start_are_not(machine: Machine) -> None:
    machine.touch(machine.started, machine.restarted, machine.reloaded)
    state = machine.state()
    assert state.to_restart == (str(machine.restarted),)
    assert state.to_reload == (str(machine.reloaded),)


def test_a_file_renamed_into_place_with_an_old_time_is_newer(machine: Machine) -> None:
    machine.touch(machine.started, machine.folder / "aside")
    os.utime(machine.folder / "aside", (0, 0))
    (machine.folder / "aside").rename(machine.restarted)
    assert machine.state().to_restart == (str(machine.restarted),)


def test_a_reload_counts_until_the_file_changes_again(machine: Machine) -> None:
    machine.touch(machine.started, machine.reloaded, machine.stamp)
    assert machine.state().to_reload == ()
    machine.touch(machine.reloaded)
    assert machine.state().to_reload == (str(machine.reloaded),)


def test_a_restart_after_the_last_reload_counts(machine: Machine) -> None:
    machine.touch(machine.stamp, machine.reloaded, machine.started)
    assert machine.state().to_reload == ()


def test_a_unit_that_never_started(machine: Machine) -> None:
    machine.shows("ActiveState=inactive\nUnitFileState=\nLoadState=not-found\nMainPID=0")
    machine.touch(machine.restarted)
    assert machine.state() == UnitState()


@pytest.mark.parametrize(
    ("shown", "state"),
    [
        ("ActiveState=failed\nUnitFileState=enabled", UnitState(enabled=True)),
        ("ActiveState=reloading\nUnitFileState=static", RIGHT),
        ("ActiveState=active\nUnitFileState=disabled", UnitState(active=True)),
        ("LoadState=masked\nActiveState=inactive\nUnitFileState=masked", UnitState(masked=True)),
        (
            "ActiveState=active\nUnitFileState=enabled\nNeedDaemonReload=yes",
            UnitState(active=True, enabled=True, needs_daemon_reload=True),
        ),
    ],
)
def test_words_of_systemd(machine: Machine, shown: str, state: UnitState) -> None:
    machine.shows(shown)
    machine.touch(machine.restarted, machine.reloaded, machine.started)
    assert machine.state() == state


def test_a_process_that_runs_a_deleted_binary_is_stale(machine: Machine) -> None:
    machine.touch(machine.restarted, machine.reloaded, machine.started)
    local.program(machine.folder / "programs", "readlink", "echo '/usr/sbin/x (deleted)'")
    assert machine.state().to_restart == ("/usr/sbin/x",)


def test_a_drop_in_that_systemd_has_not_read(machine: Machine) -> None:
    machine.touch(machine.restarted, machine.reloaded, machine.drop_in, machine.started)
    assert machine.state().needs_daemon_reload
    machine.shows(f"{SHOWN}\nDropInPaths=/usr/lib/x.conf {machine.drop_in}")
    assert not machine.state().needs_daemon_reload
    # Nobody said that it is ours.
    assert machine.state().overriding == (str(machine.drop_in),)


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


@pytest.mark.parametrize(
    ("path", "counts"),
    [
        ("/run/systemd/system/postgresql@15-main.service.d/x.conf", True),
        ("/run/systemd/system.control/postgresql@15-main.service.d/50-Nice.conf", True),
        ("/etc/systemd/system/postgresql@.service.d/x.conf", True),
        ("/etc/systemd/system/postgresql@.service", True),
        ("/usr/local/lib/systemd/system/postgresql@15-main.service", True),
        ("/etc/systemd/system/service.d/x.conf", True),
        ("/run/systemd/system/service.d/zzz-lxc-service.conf", False),
        ("/etc/systemd/system/postgresql@15-main.service.d/x.conf.old", False),
    ],
)
def test_what_goes_before_the_files_of_a_unit(path: str, counts: bool) -> None:
    unit = "postgresql@15-main.service"
    folder = path.rpartition("/")[0]
    assert {path, folder} & set(unit_files.places(unit))
    assert bool(unit_files.overriding(unit, [f"{path}|"])) is counts
    state = AskUnit(unit, (folder,)).parse([f"Overriding={path}|"])
    assert state.overriding == ()


def test_files_of_a_name_with_a_dash() -> None:
    places = set(unit_files.places("mattermost-firewall.service"))
    assert "/etc/systemd/system/mattermost-.service.d" in places


def test_a_mask_is_told_from_another_file() -> None:
    state = QUESTION.parse(["Overriding=/run/systemd/system/x.service|/dev/null"])
    assert state.masks == ("/run/systemd/system/x.service",)
    assert state.overriding == ()


@pytest.mark.parametrize(
    ("most", "own", "unit", "lowered"),
    [
        ("524288 1048576", "65536 65536", "65536", False),
        ("524288 1048576", "1024 1024", "65536", True),
        ("524288 1048576", "1024 65536", "65536", True),
        ("20000 20000", "20000 20000", "65536", False),  # a container can't give more than it has
        ("1024 unlimited", "1024 1024", "infinity", True),
    ],
)
def test_limits_of_the_process(most: str, own: str, unit: str, lowered: bool) -> None:
    lines = [f"Max open files={most}", f"Max open files={own}"]
    lines += [f"LimitNOFILE={unit}", f"LimitNOFILESoft={unit}"]
    assert QUESTION.parse(lines).lowered == (("may open fewer files",) if lowered else ())


def test_of_a_masked_unit_systemd_does_not_know_the_limits() -> None:
    lines = ["LoadState=masked", "Max open files=9 9", "Max open files=5 5"]
    lines += ["LimitNOFILE=9", "LimitNOFILESoft=9"]
    assert QUESTION.parse(lines).lowered == ()
    assert QUESTION.parse(lines[1:]).lowered != ()


def test_without_a_process_no_limit_is_too_low() -> None:
    assert QUESTION.parse(["LimitNOFILE=65536", "Max open files=1 1"]).lowered == ()


def test_another_mode_of_a_folder_is_no_reason_to_restart(machine: Machine) -> None:
    machine.touch(machine.restarted, machine.started)
    folder = machine.folder / "folder"
    folder.mkdir()
    os.utime(folder, (0, 0))
    folder.chmod(0o700)
    machine.restarted = folder
    assert machine.state().to_restart == ()
    (folder / "new").touch()
    assert str(folder / "new") in machine.state().to_restart


class Noted(Machine):
    """Where the unit's own line noted at the start what the process read."""

    def __init__(self, folder: Path):
        super().__init__(folder)
        self.conf = folder / "etc"
        self.conf.mkdir()
        self.restarted = self.conf
        (self.conf / "a").write_text("as it was")
        (self.conf / "b").write_text("as it was")
        self.reloaded.write_text("as it was")
        self.start()

    def start(self) -> None:
        self.touch(self.started)
        time.sleep(0.02)
        line = what_was_read.noted_at_start([str(self.conf), str(self.reloaded)])
        shell = line.partition('"')[2].rstrip('"').replace("%%", "%").replace("\\\\", "\\")
        self._note(shell.replace("%n", "x.service"), self.folder / "programs")

    def _note(self, shell: str, programs: Path | None = None) -> None:
        assert (
            local.run(
                shell.replace(what_was_read.STAMPS, str(self.stamp.parent)), programs=programs
            ).returncode
            == 0
        )


@pytest.fixture
def noted(tmp_path: Path) -> Noted:
    return Noted(tmp_path)


def _replace(path: Path, text: str) -> None:
    time.sleep(0.02)
    new = path.with_name(f"{path.name}~")
    new.write_text(text)
    new.rename(path)


def test_another_mode_is_no_reason_to_restart(noted: Noted) -> None:
    time.sleep(0.02)
    (noted.conf / "a").chmod(0o600)
    assert noted.state().to_restart == ()


def test_the_same_content_in_a_new_file_is_no_reason_to_restart(noted: Noted) -> None:
    _replace(noted.conf / "a", "as it was")
    assert noted.state().to_restart == ()


def test_another_content_is_a_reason(noted: Noted) -> None:
    _replace(noted.conf / "a", "otherwise")
    _replace(noted.reloaded, "otherwise")
    state = noted.state()
    assert state.to_restart == (str(noted.conf / "a"),)
    assert state.to_reload == (str(noted.reloaded),)


def test_a_file_that_is_back_is_none_where_the_process_read_another(noted: Noted) -> None:
    """As an operator does it who tries something: aside, another, restart, back again."""
    (noted.conf / "a").rename(noted.folder / "aside")
    _replace(noted.conf / "a", "otherwise")
    noted.start()
    time.sleep(0.02)
    (noted.folder / "aside").rename(noted.conf / "a")
    assert noted.state().to_restart == (str(noted.conf / "a"),)


def test_files_that_came_and_went_are_a_reason(noted: Noted) -> None:
    time.sleep(0.02)
    (noted.conf / "c").write_text("new")
    (noted.conf / "b").unlink()
    assert set(noted.state().to_restart) == {str(noted.conf / "b"), str(noted.conf / "c")}


def test_a_note_of_an_earlier_start_does_not_count(noted: Noted) -> None:
    noted.touch(noted.started)
    time.sleep(0.02)
    (noted.conf / "a").chmod(0o600)
    assert noted.state().to_restart == (str(noted.conf / "a"),)


def test_what_a_reload_reads_is_judged_by_time(noted: Noted) -> None:
    """Somebody may have sent a reload by hand, while another content was there."""
    _replace(noted.reloaded, "as it was")
    assert noted.state().to_reload == (str(noted.reloaded),)
    noted.touch(noted.stamp)
    assert noted.state().to_reload == ()


def test_unit_files_that_systemd_is_to_read_again_need_no_restart_where_they_are_alike(
    noted: Noted,
) -> None:
    unread = SHOWN.replace("NeedDaemonReload=no", "NeedDaemonReload=yes")
    noted.shows(unread)
    (noted.conf / "a").touch()
    state = noted.state()
    assert state.needs_daemon_reload
    assert state.unit_files_alike
    noted.start()  # by what systemd had read before
    (noted.conf / "a").touch()
    assert not noted.state().unit_files_alike


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


def test_a_stopped_process_is_told_from_one_that_works(machine: Machine) -> None:
    machine.touch(machine.restarted, machine.reloaded, machine.started)
    with subprocess.Popen(["sleep", "60"]) as process:
        machine.shows(SHOWN.partition("MainPID")[0] + f"MainPID={process.pid}")
        assert not machine.state().suspended
        process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
        assert machine.state().suspended
        process.kill()


def test_a_masked_unit_that_runs_is_not_restarted_for_drop_ins_it_knows_nothing_of() -> None:
    path = "/etc/systemd/system/x.service.d/ours.conf"
    asked = AskUnit("x.service", (path,))
    lines = ["ActiveState=active", "LoadState=masked", "DropInPaths=", f"Overriding={path}|"]
    assert not asked.parse(lines).needs_daemon_reload
