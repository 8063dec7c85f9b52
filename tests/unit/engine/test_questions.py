"""Operations' questions travel together, and answers are void after a change."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any
from unittest import mock

import pytest
from pyinfra.api import Config, Host, Inventory, State, StringCommand, operation
from pyinfra.api.connect import connect_all
from pyinfra.api.operations import run_ops
from pyinfra.api.state import StateStage
from pyinfra.connectors.util import CommandOutput, OutputLine
from pyinfra.context import ctx_host, ctx_inventory, ctx_state

from mattermost_host.engine import questions
from mattermost_host.engine.batch import Question
from mattermost_host.engine.questions import answers_of, ask, changing, expect
from mattermost_host.ops.checkpoint import checkpoint
from mattermost_host.support.errors import OperatorError
from tests.unit.fake_host import UNANSWERED, answering, apply, plan
from tests.unit.ssh_server import become_root_our_way, this_machine


@dataclass(frozen=True)
class Echo(Question[list[str]]):
    """What ``command`` prints."""

    about = "what {command} prints"

    command: str

    def script(self) -> str:
        return self.command

    def parse(self, lines: list[str]) -> list[str]:
        return lines


@operation()
def _look(question: Echo, change: bool) -> Generator[StringCommand, None, None]:
    ask(question)
    if change:
        yield from changing(StringCommand(f"change {question.command}"))


def _deploy(changes: dict[str, bool]) -> None:
    for command, change in changes.items():
        expect(Echo(command))
        _look(name=f"{command} is right", question=Echo(command), change=change)


def test_a_run_without_changes_is_one_round_trip_whatever_its_length() -> None:
    for count in (1, 2, 50):
        done = apply(_deploy, {f"question {number}": False for number in range(count)})
        assert done.round_trips == 1
        assert len(done.questions) == count


def test_after_a_change_only_what_is_still_open_is_asked_again() -> None:
    done = apply(_deploy, {"a": True, "b": False, "c": False})
    assert done.questions == [Echo("a"), Echo("b"), Echo("c"), Echo("b"), Echo("c")]
    assert done.round_trips == 3  # all, the change, the rest


def test_a_plan_asks_each_question_once() -> None:
    assert plan(_deploy, {"a": True, "b": False}).questions == [Echo("a"), Echo("b")]


def test_equal_questions_are_one() -> None:
    def twice() -> None:
        for name in ("first", "second"):
            expect(Echo("a"))
            _look(name=name, question=Echo("a"), change=False)

    assert apply(twice).questions == [Echo("a")]


@pytest.mark.parametrize("changing_one", ["", "@fake/a"])
def test_a_checkpoint_voids_what_was_learnt_of_all_hosts(changing_one: str) -> None:
    """Where one was changed before it; otherwise nothing is asked again."""
    inventory = Inventory((["@fake/a", "@fake/b"], {}), override_data={"fake_delay": 0})  # type: ignore[no-untyped-call]
    state = State(inventory, Config(), check_for_changes=False)  # type: ignore[no-untyped-call]
    state.cwd = "."
    asked: list[tuple[str, Question[Any]]] = []

    def told(host: Host, sent: Sequence[Question[Any]]) -> dict[Question[Any], Any]:
        asked.extend((host.name, question) for question in sent)
        return {question: [] for question in sent}

    def deploy(host: Host) -> None:
        for question in (Echo("a"), Echo("b"), Echo("c")):
            expect(question)
        _look(name="first", question=Echo("a"), change=host.name == changing_one)
        _look(name="second", question=Echo("b"), change=False)
        checkpoint(name="all are there")
        _look(name="third", question=Echo("c"), change=False)

    connect_all(state)
    state.set_stage(StateStage.Prepare)
    with (
        mock.patch.object(questions, "answers_of", told),
        ctx_state.use(state),
        ctx_inventory.use(inventory),
    ):
        for host in inventory:
            with ctx_host.use(host):
                deploy(host)
        state.set_stage(StateStage.Execute)
        run_ops(state)
    again = [question for name, question in asked if name == "@fake/b"]
    assert again == [Echo("a"), Echo("b"), Echo("c"), *([Echo("c")] if changing_one else [])]


def test_what_was_not_answered_ends_the_run_with_its_name() -> None:
    with pytest.raises(OperatorError, match=r"@fake/host gave no answer .* about what b prints"):
        plan(_deploy, {"a": False, "b": False}, answer=answering({Echo("b"): UNANSWERED}))


def test_a_host_is_asked_by_pyinfra_s_own_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    become_root_our_way(monkeypatch)
    with this_machine() as host:
        assert answers_of(host, [Echo("echo 1"), Echo("umask; echo $LC_ALL")]) == {
            Echo("echo 1"): ["1"],
            Echo("umask; echo $LC_ALL"): ["0022", "C"],
        }


def test_a_host_that_runs_nothing_as_root_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    said = CommandOutput([OutputLine("stderr", "sudo: a password is required")])
    with this_machine() as host:
        monkeypatch.setattr(host, "run_shell_command", lambda *_, **__: (False, said))
        with pytest.raises(OperatorError, match="sudo wants a password, and none was given"):
            answers_of(host, [Echo("true")])


def test_a_connection_that_breaks_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise EOFError("gone")

    with this_machine() as host:
        monkeypatch.setattr(host, "run_shell_command", broken)
        with pytest.raises(OperatorError, match="@local did not answer: gone"):
            answers_of(host, [Echo("true")])
