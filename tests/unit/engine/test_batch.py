"""Many questions in one script: each gets its own answer, by the real shell."""

import os
import subprocess
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mattermost_host.engine import batch, shell
from mattermost_host.engine.batch import Question, packed, told, unanswered
from mattermost_host.ops import administrator, database_state, probe
from mattermost_host.ops.account import Account
from mattermost_host.ops.entries import FileStates
from tests.host import questions, questions_database
from tests.unit.local import program


@dataclass(frozen=True)
class Echo(Question[list[str]]):
    """What ``command`` prints."""

    about = "what {command} prints"

    command: str
    shared: str = ""

    @property
    def functions(self) -> str:
        return self.shared

    def script(self) -> str:
        return self.command

    def parse(self, lines: list[str]) -> list[str]:
        return lines


class Host:
    """A host that runs what it is sent, as root would with this environment."""

    def __init__(self, **environment: str) -> None:
        self.environment = {"PATH": os.environ["PATH"], **environment}
        self.trips = 0

    def send(self, script: str) -> Iterable[str]:
        self.trips += 1
        text = shell.sent(script)
        done = subprocess.run(
            [*shell.taking(text)],
            input=text + b"no script any more",
            env=self.environment,
            capture_output=True,
            check=True,
        )
        return done.stdout.decode().splitlines()


def _asked(*questions: Question[Any]) -> dict[Question[Any], Any]:
    return told(questions, Host().send)


def test_each_question_gets_its_own_lines() -> None:
    two, none, one = Echo("echo 1; echo 2"), Echo("true"), Echo("echo 3")
    assert _asked(two, none, one) == {two: ["1", "2"], none: [], one: ["3"]}


def test_a_failing_question_does_not_disturb_the_others() -> None:
    broken, missing = Echo("echo 1; exit 7"), Echo("no-such-program")
    changing_folder, after = Echo("cd /tmp; x=1"), Echo("echo ${x-unset}")
    answers = _asked(broken, missing, changing_folder, after)
    assert answers == {broken: ["1"], missing: [], changing_folder: [], after: ["unset"]}


@dataclass(frozen=True)
class Number(Echo):
    """A number that ``command`` prints."""

    def parse(self, lines: list[str]) -> list[str]:
        return [str(int(lines[0]))]


@pytest.mark.parametrize("command", ["echo one", "true"])
def test_an_answer_that_cannot_be_understood_is_none_and_is_named(command: str) -> None:
    odd, after = Number(command), Number("echo 2")
    answers = _asked(odd, after)
    assert answers == {after: ["2"]}
    assert odd.subject in unanswered([odd, after], answers)


def test_an_answer_without_an_end_of_line_keeps_the_others_apart() -> None:
    unfinished, after, nothing = Echo("printf x"), Echo("echo y"), Echo("true")
    answers = _asked(unfinished, after, nothing)
    assert answers == {unfinished: ["x"], after: ["y"], nothing: []}


def test_a_question_cannot_swallow_those_after_it() -> None:
    greedy, after = Echo("cat"), Echo("echo y")
    assert _asked(greedy, after) == {greedy: [], after: ["y"]}


def test_alike_questions_are_joined_and_each_gets_its_own_part() -> None:
    """The number of processes on the host does not grow with the number of files."""
    one, other = FileStates(("/etc/passwd", "/no")), FileStates(("/etc/group", "/etc/passwd"))
    assert packed([one, other]).count("sha256sum") == 1
    answers = _asked(one, Echo("echo 1"), other)
    assert list(answers[one]) == ["/etc/passwd"]
    assert set(answers[other]) == {"/etc/group", "/etc/passwd"}
    assert answers[Echo("echo 1")] == ["1"]


def test_one_of_a_joined_kind_can_be_asked_alone() -> None:
    asked = [Account("root")]
    answers = batch.unpacked(asked, Host().send(packed(asked, alone=True)), alone=True)
    assert answers[asked[0]].home == "/root"


def test_functions_are_sent_once_and_are_no_other_question_s() -> None:
    words = "cat() { echo mine; }"
    asked = (Echo("cat", words), Echo("cat; echo 2", words), Echo("cat </dev/null"))
    assert packed(asked).count(words) == 1
    assert list(_asked(*asked).values()) == [["mine"], ["mine", "2"], []]


def test_the_environment_is_the_same_on_every_host() -> None:
    asked = Echo('echo "$LC_ALL ${LANGUAGE-} ${ENV-} ${BASH_ENV-}"; echo "$PATH"; umask')
    odd = Host(LC_ALL="de_DE.UTF-8", LANGUAGE="de", ENV="/e", BASH_ENV="/b", PATH="/usr/bin:/bin")
    before = os.umask(0o077)
    try:
        answer = told([asked], odd.send)[asked]
    finally:
        os.umask(before)
    assert answer == ["C   ", shell.PATH, "0022"]
    assert "/usr/sbin" in shell.PATH.split(":")


def test_all_answers_are_one_round_trip() -> None:
    host = Host()
    told([Echo(f"echo {number}") for number in range(50)], host.send)
    assert host.trips == 1


@pytest.fixture
def pipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A pipe that nobody writes to, and limits that are soon reached."""
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.setattr(batch, "TOGETHER_S", 1)
    monkeypatch.setattr(batch, "ALONE_S", 1)
    return tmp_path / "pipe"


@pytest.mark.parametrize("at", [0, 2, 4])
def test_what_hangs_is_named_and_silences_no_other(pipe: Path, at: int) -> None:
    asked = [Echo(f"echo {number}") for number in range(4)]
    hangs = Echo(f"echo part; cat {pipe}")
    asked.insert(at, hangs)
    host = Host()
    answers = told(asked, host.send)
    assert answers == {one: [one.command[-1]] for one in asked if one != hangs}
    assert host.trips == 2
    sentence = unanswered(asked, answers)
    assert hangs.subject in sentence
    assert "echo 1" not in sentence


def test_what_hangs_among_joined_ones_is_asked_for_itself(
    pipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = FileStates(("/etc/passwd",)), FileStates(("/etc/group",))
    program(
        tmp_path / "programs",
        "find",
        f'case $* in *group*) cat {pipe};; esac; exec /usr/bin/find "$@"',
    )
    monkeypatch.setattr(shell, "FIXED", f"PATH={tmp_path}/programs:$PATH")
    assert list(_asked(one, other)) == [one]


def test_half_a_script_runs_nothing(tmp_path: Path) -> None:
    """A connection may break while it is being sent."""
    text = shell.sent(f"touch {tmp_path}/ran\necho the rest")
    for length in (len(text) // 2, len(text) - 2):
        subprocess.run([*shell.taking(text)], input=text[:length], capture_output=True, check=False)
        assert not (tmp_path / "ran").exists()
    subprocess.run([*shell.taking(text)], input=text, capture_output=True, check=True)
    assert (tmp_path / "ran").exists()


@dataclass(frozen=True)
class Waiting(Echo):
    """One that may wait for a process that hangs."""

    waits = True


@pytest.mark.parametrize("quick", [0, 1, 7])
@pytest.mark.parametrize("slow", [2, 5])
def test_those_that_wait_do_so_at_the_same_time(quick: int, slow: int) -> None:
    asked = [
        *(Waiting(f"sleep 1; echo {number}") for number in range(slow)),
        *(Echo(f"echo {number}") for number in range(quick)),
    ]
    start = time.monotonic()
    answers = _asked(*asked)
    assert time.monotonic() - start < 1.9
    assert answers == {one: [one.command[-1]] for one in asked}


def test_whatever_may_hang_with_a_service_waits_beside_the_others() -> None:
    """The sum of their waits is what names a hanging server late."""
    asked = (
        probe.Answering((("x.service", "false"),)),
        administrator.AskUser("/run/x", "sysadmin"),
        database_state.AskDatabase("x", (), "/x"),
        questions.DirectPing("127.0.0.1", 8065),
        questions_database.AskCluster("x", 5432, "x"),
    )
    assert all(one.waits for one in asked)
