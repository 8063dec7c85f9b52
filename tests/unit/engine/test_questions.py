"""Questions travel together, and answers are void after a change."""

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pyinfra.api import StringCommand, operation

from mattermost_host.engine.questions import (
    Answers,
    Question,
    ask,
    changing,
    expect,
    script_of,
    unanswered,
)
from mattermost_host.ops.entries import FileStates
from mattermost_host.support.errors import OperatorError
from tests.unit.fake_host import UNANSWERED, answering, apply, plan
from tests.unit.local import program, run


@dataclass(frozen=True)
class Echo(Question):
    """What ``command`` prints."""

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


def _asked(*questions: Question, programs: Path | None = None) -> dict[Question, Any]:
    fact = Answers()
    done = run(fact.command(questions), script_of(questions).splitlines(), programs)
    assert done.returncode == 0
    assert done.stderr in {"", "Terminated\n"}
    return fact.process(done.stdout.splitlines())


def test_each_question_gets_its_own_lines_by_the_real_shell() -> None:
    two, none, one = Echo("echo 1; echo 2"), Echo("true"), Echo("echo 3")
    assert _asked(two, none, one) == {two: ["1", "2"], none: [], one: ["3"]}


def test_a_failing_question_does_not_disturb_the_others() -> None:
    broken, missing = Echo("echo 1; exit 7"), Echo("no-such-program")
    changing_folder, after = Echo("cd /tmp; x=1"), Echo("echo ${x-unset}")
    answers = _asked(broken, missing, changing_folder, after)
    assert answers == {broken: ["1"], missing: [], changing_folder: [], after: ["unset"]}


def test_an_answer_without_an_end_of_line_keeps_the_others_apart() -> None:
    unfinished, after, nothing = Echo("printf x"), Echo("echo y"), Echo("true")
    answers = _asked(unfinished, after, nothing)
    assert answers == {unfinished: ["x"], after: ["y"], nothing: []}


def test_a_question_cannot_swallow_those_after_it() -> None:
    # The script comes by standard input, which a program within it might read.
    greedy, after = Echo("cat"), Echo("echo y")
    assert _asked(greedy, after) == {greedy: [], after: ["y"]}


def test_alike_questions_are_joined_and_each_gets_its_own_part() -> None:
    """The number of processes on the host does not grow with the number of files."""
    one, other = FileStates(("/etc/passwd", "/no")), FileStates(("/etc/group", "/etc/passwd"))
    assert script_of([one, other]).count("sha256sum") == 1
    answers = _asked(one, Echo("echo 1"), other)
    assert list(answers[one]) == ["/etc/passwd"]
    assert set(answers[other]) == {"/etc/group", "/etc/passwd"}
    assert answers[Echo("echo 1")] == ["1"]


def test_out_of_time_the_other_answers_hold_and_what_hangs_is_named(tmp_path: Path) -> None:
    hanging = tmp_path / "hanging"
    # Instead of 60 s it waits until the question hangs; then it does what `timeout` does.
    program(
        tmp_path / "programs",
        "timeout",
        f"exec 3<&0; setsid sh -s <&3 & while [ ! -e {hanging} ]; do sleep 0.02; done\n"
        "kill -TERM -$!; wait $!",
    )
    before, after = Echo("echo 1"), Echo("echo 2")
    hangs = Echo(f"mkfifo {tmp_path}/pipe; touch {hanging}; echo part; cat {tmp_path}/pipe")
    asked = (before, hangs, after)
    answers = _asked(*asked, programs=tmp_path / "programs")
    assert answers == {before: ["1"]}
    assert repr(hangs) in unanswered(asked, answers)


def test_questions_have_a_limit_of_time() -> None:
    assert Answers().command(()).startswith("timeout ")


def test_what_was_not_answered_ends_the_run_with_its_name() -> None:
    with pytest.raises(OperatorError, match=r"@fake/host gave no answer .* Echo\(command='b'\)"):
        plan(_deploy, {"a": False, "b": False}, answer=answering({Echo("b"): UNANSWERED}))


def test_what_changes_a_host_does_not_go_by_roots_umask() -> None:
    done = apply(_deploy, {"a": True, "b": False})
    assert done.step("a is right").commands == ["umask 022; change a"]
