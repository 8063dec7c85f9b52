"""What may be put right at any hour is taken from a prepared run; nothing else is carried out."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from pyinfra.api.operations import run_ops
from pyinfra.api.state import StateStage

from mattermost_host.drift.repair import Heal, Scope, is_safe, leave
from mattermost_host.engine.explanations import Change, collecting
from mattermost_host.engine.restart_triggers import Consequence
from mattermost_host.engine.run import Run
from mattermost_host.ops import (
    account,
    database,
    database_state,
    files,
    kernel,
    release,
    ruleset,
    running,
    unit_state,
)
from mattermost_host.ops.entries import Directory, Entry, File, FileStates, State
from mattermost_host.ops.release_state import Found, ReleaseState
from mattermost_host.releases.choice import Release
from mattermost_host.support.errors import OperatorError
from tests.unit.fake_host import Plan, _fake_host, answering

UNIT = unit_state.AskUnit("x.service", ("/etc/x.conf", "/etc/x.service.d"), ("/etc/x.pem",))
RUNS = unit_state.UnitState(active=True, enabled=True)
FOLDER = Directory("/var/lib/x", "750")
CONF, PEM, OTHER = File("/etc/x.conf", "a"), File("/etc/x.pem", "b"), File("/etc/y.conf", "c")
RULES = ruleset.RulesState("f.service", "inet x", "/etc/f.nft", "/run/f")


def _deploy(*entries: Entry) -> Callable[[], None]:
    def deploy() -> None:
        account.system_account(name="X | the account exists", user="x", home="/var/lib/x")
        written = files.present(name="X | files are in place", entries=list(entries))
        running.running(
            name="X | it runs",
            unit=UNIT.unit,
            restart_on=UNIT.restart_on,
            reload_on=UNIT.reload_on,
            after=[written],
        )
        files.present(name="X | more is in place", entries=[OTHER])
        kernel.in_force(name="Base | parameters are in force", parameters={"vm.a": "1"})
        ruleset.loaded(name="Firewall | rules are in force", rules=RULES, unit_file="/f.service")

    return deploy


def _right(*entries: Entry) -> dict[Any, Any]:
    """The answers of a host on which everything is right."""
    return {
        account.Account("x"): account.Found("/var/lib/x", account.NO_SHELL, ("x",)),
        UNIT: RUNS,
        RULES: True,
        unit_state.AskUnit("f.service", ("/f.service",)): RUNS,
        kernel.KernelParameters(("vm.a",)): {"vm.a": "1"},
        _asked(*entries): {one.path: _state(one) for one in entries},
        _asked(OTHER): {OTHER.path: _state(OTHER)},
    }


def _asked(*entries: Entry) -> FileStates:
    return FileStates(tuple(sorted(one.path for one in entries)))


def _state(entry: Entry, mode: str = "") -> State:
    assert isinstance(entry, File | Directory)
    digest = entry.sha256 if isinstance(entry, File) else ""
    kind = "regular file" if isinstance(entry, File) else "directory"
    return State(kind, mode or entry.mode, "root", "root", digest)


def _healed(
    deploy: Callable[[], None],
    answers: Mapping[Any, Any],
    scope: Scope = "safe",
) -> tuple[int, dict[str, str]]:
    """How many operations were left, and the commands of those that ran, by name."""
    with _fake_host(Plan(), answering(answers), None, yes=False) as (state, host), collecting():
        state.check_for_changes = False
        deploy()
        names = {digest: ", ".join(meta.names) for digest, meta in state.op_meta.items()}
        run = Run(state)
        run.operations()
        left = leave(run, scope)
        state.set_stage(StateStage.Execute)
        run_ops(state)
        return left, {
            names[digest]: "\n".join(map(str, data.operation_meta._commands or []))
            for digest, data in state.ops[host].items()
        }


def test_nothing_is_left_where_nothing_would_change() -> None:
    assert _healed(_deploy(CONF), _right(CONF)) == (0, {})


def test_what_no_unit_reads_is_put_right() -> None:
    answers = _right(CONF, FOLDER)
    answers[account.Account("x")] = account.Found("/var/lib/x", "/bin/bash", ("x",))
    answers[kernel.KernelParameters(("vm.a",))] = {"vm.a": "2"}
    answers[RULES] = False
    answers[_asked(CONF, FOLDER)] = {
        CONF.path: _state(CONF),
        FOLDER.path: _state(FOLDER, mode="777"),
    }
    left, ran = _healed(_deploy(CONF, FOLDER), answers)
    assert list(ran) == [
        "X | the account exists",
        "X | files are in place",
        "Base | parameters are in force",
        "Firewall | rules are in force",
    ]
    assert left == 4
    assert "folder /var/lib/x 750 " in ran["X | files are in place"]
    assert "restart x" not in "".join(ran.values())


@pytest.mark.parametrize(("wrong", "safe"), [(CONF, True), (PEM, False)])
def test_another_mode_of_what_is_read_at_the_start_is_put_right_at_any_hour(
    wrong: File, safe: bool
) -> None:
    states = {CONF.path: _state(CONF), PEM.path: _state(PEM)}
    states[wrong.path] = _state(wrong, mode="666")
    answers = _right(CONF, PEM) | {_asked(CONF, PEM): states, _asked(OTHER): {}}
    assert ("X | files are in place" in _healed(_deploy(CONF, PEM), answers)[1]) is safe


@pytest.mark.parametrize("wrong", [CONF, PEM], ids=["restart", "reload"])
@pytest.mark.parametrize("how", ["content", "missing"])
def test_a_file_that_a_unit_reads_waits_and_so_does_what_follows_it(wrong: File, how: str) -> None:
    states = {CONF.path: _state(CONF), PEM.path: _state(PEM)}
    if how == "missing":
        del states[wrong.path]
    else:
        states[wrong.path] = _state(File(wrong.path, "other"))
    answers = _right(CONF, PEM) | {_asked(CONF, PEM): states, _asked(OTHER): {}}
    answers[kernel.KernelParameters(("vm.a",))] = {"vm.a": "2"}
    left, ran = _healed(_deploy(CONF, PEM), answers)
    assert left == 1
    assert list(ran) == ["Base | parameters are in force"]


def test_a_drop_in_beside_ours_is_read_by_the_unit_as_well() -> None:
    drop_in = File("/etc/x.service.d/10.conf", "[Service]\n")
    answers = _right(drop_in) | {_asked(drop_in): {}}
    assert _healed(_deploy(drop_in), answers)[0] == 0


def test_a_pending_restart_is_left_alone() -> None:
    stale = unit_state.UnitState(active=True, enabled=True, to_restart=("/etc/x.conf",))
    assert _healed(_deploy(CONF), _right(CONF) | {UNIT: stale})[0] == 0


def test_a_unit_is_enabled_without_being_started() -> None:
    disabled = unit_state.UnitState(active=True, enabled=False)
    _, ran = _healed(_deploy(CONF), _right(CONF) | {UNIT: disabled})
    assert list(ran) == ["X | it runs"]
    assert ran["X | it runs"].startswith("set -eu\nsystemctl enable -q x.service || ")
    assert "start" not in ran["X | it runs"].split()


def test_what_comes_after_a_service_that_is_down_waits_for_it() -> None:
    answers = _right(CONF) | {
        UNIT: unit_state.UnitState(enabled=True),
        kernel.KernelParameters(("vm.a",)): {"vm.a": "2"},
        account.Account("x"): account.Found("/var/lib/x", "/bin/bash", ("x",)),
    }
    assert list(_healed(_deploy(CONF), answers)[1]) == ["X | the account exists"]


def test_a_database_that_needs_a_restart_is_left_alone() -> None:
    question = database_state.AskDatabase("m", ("shared_buffers",), "/etc/p.conf")
    right = database_state.DatabaseState("l", "m", "UTF8", "m")

    def deploy() -> None:
        database.present(
            name="P | right", question=question, locale="C", unit="p.service", parameters={}
        )

    for found, left in (
        (replace(right, role="ls"), 1),
        (replace(right, overridden=("shared_buffers",)), 0),
    ):
        assert _healed(deploy, {question: found})[0] == left


READS = Consequence("x.service", ("/etc/x.conf", "/etc/x.service.d"), (), ())


@pytest.mark.parametrize(
    ("changes", "follows", "safe"),
    [
        ([Change("/etc/y.conf", "is missing")], False, True),
        ([Change("/etc/y.conf", "is missing")], True, True),
        ([Change("/etc/x.conf.bak", "is there")], True, True),
        ([Change("/etc/x.conf", "is missing")], False, False),
        ([Change("/etc/x.service.d/a.conf", "is there")], False, False),
        ([Change("release 11", "is not on the host")], True, False),
        ([Change("the role x", "is missing")], False, True),
        ([Change("/etc/y.conf", "is missing"), Change("x", "waits", "restart")], False, False),
        ([Change("x", "waits", "reload")], False, False),
        ([], False, False),
    ],
)
def test_safe_is_what_interrupts_nobody(changes: list[Change], follows: bool, safe: bool) -> None:
    assert is_safe(changes, [READS], follows=follows) is safe


@pytest.mark.parametrize(
    ("window", "inside", "outside"),
    [
        ("02:00-04:00", ["02:00", "03:59"], ["01:59", "04:00", "14:00"]),
        ("22:30-01:00", ["22:30", "23:59", "00:00", "00:59"], ["22:29", "01:00", "12:00"]),
    ],
)
def test_window(window: str, inside: list[str], outside: list[str]) -> None:
    heal = Heal.parse("all", window)
    assert heal is not None and heal.options == ["--heal", "all", "--window", window]
    assert [heal.now(clock) for clock in inside] == ["all"] * len(inside)
    assert [heal.now(clock) for clock in outside] == ["safe"] * len(outside)


@pytest.mark.parametrize(
    "text",
    [
        *("", "2-4", "02:00", "02:00-24:30", "02:00-02:00", "a-b", "02:00-04:00-"),
        "0\N{ARABIC-INDIC DIGIT TWO}:00-04:00",
    ],
)
def test_no_window(text: str) -> None:
    with pytest.raises(OperatorError, match="--window"):
        Heal.parse("all", text)


def test_everything_only_in_the_window() -> None:
    heal = Heal.parse("all", "02:00-04:00")
    assert heal is not None
    assert (heal.now("03:00"), heal.now("12:00")) == ("all", "safe")
    safe = Heal.parse("safe", None)
    assert safe is not None and safe.now("03:00") == "safe"
    assert Heal.parse(None, None) is None
    for scope, window in ((None, ""), ("safe", ""), ("safe", "02:00-04:00")):
        with pytest.raises(OperatorError, match="--window is only used together with --heal all"):
            Heal.parse(scope, window)  # type: ignore[arg-type]
    with pytest.raises(OperatorError, match="--heal all needs a window"):
        Heal.parse("all", None)
    with pytest.raises(OperatorError, match="together with --heal all"):
        Heal.parse("safe", "02:00-04:00")


def test_nothing_that_heals_moves_a_release() -> None:
    old, new = "10.11.0-0123abcd", Release("11.7.9-a22e631a", lambda _: pytest.fail("fetched"))
    found = Found((old,), f"releases/{old}", noted=old, tarball="ab")

    def deploy() -> None:
        release.unpacked(name="X | unpacked", release=new)
        release.switched(name="X | current", release=new)
        release.pruned(name="X | pruned", release=new)
        files.present(name="X | files are in place", entries=[FOLDER])

    wrong = {FOLDER.path: _state(FOLDER, mode="777")}
    answers = {ReleaseState(new.folder): found, _asked(FOLDER): wrong}
    assert list(_healed(deploy, answers)[1]) == ["X | files are in place"]
    left, ran = _healed(deploy, answers, "all")
    assert left == 1
    assert [name for name, script in ran.items() if script] == ["X | files are in place"]
