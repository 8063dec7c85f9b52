"""Questions to a host, answered many at a time.

The cost of a run is its round trips. An operation therefore announces its question when the
deploy calls it (``expect``) and asks for the answer when it is evaluated (``ask``). The first
``ask`` sends every open question of that host in one command; the others find their answers
waiting. An operation that changed something makes the host's answers void (``changing``), so
the next one asks again. A run that changes nothing costs one round trip a host.
"""

import shlex
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast
from weakref import WeakKeyDictionary

from pyinfra import host, state
from pyinfra.api import FactBase, Host, StringCommand
from pyinfra.context import ctx_host

from mattermost_host.engine import host_lock
from mattermost_host.engine.parallel_shell import ENDS_WELL, LIMIT_S, SHELL, side_by_side
from mattermost_host.support.errors import OperatorError

MARKER = "=mattermost-host="


class Question(ABC):
    """A read-only shell script and the reading of what it prints. Equal questions are one."""

    @abstractmethod
    def script(self) -> str:
        """POSIX shell that changes nothing and prints the answer."""

    @abstractmethod
    def parse(self, lines: list[str]) -> Any:
        """Turn the printed lines into the answer; must cope with none (nothing installed yet)."""

    @classmethod
    def joined(cls, questions: Sequence[Any]) -> "Question | None":
        """One question that asks what ``questions``, all of this class, do; None where no saving.

        ``part`` gives each of them its own answer back.
        """
        return None

    def part(self, answer: Any) -> Any:
        """This question's part of the answer to a joined one."""
        return answer

    @property
    def subject(self) -> str:
        """What is asked about, for the sentence that says that there was no answer."""
        return repr(self)


class Answers(FactBase[dict[Question, Any] | None]):
    """The answers to several questions, in one round trip; without those it had no time for."""

    @staticmethod
    def default() -> None:
        """Nothing, where the host could not be asked."""
        return

    def command(self, questions: tuple[Question, ...]) -> str:
        self.questions = questions
        return SHELL

    def process(self, output: list[str]) -> dict[Question, Any]:
        sections: list[list[str]] = [[]]
        for line in output:
            if line == MARKER:
                if sections[-1][-1:] == [""]:
                    sections[-1].pop()
                sections.append([])
            else:
                sections[-1].append(line)
        found: dict[Question, Any] = {}
        # What follows the last marker is nothing, or an answer that was cut off.
        answered = sections[1:-1]
        for (asked, questions), lines in zip(_joined(self.questions), answered, strict=False):
            answer = asked.parse(lines)
            found |= {question: question.part(answer) for question in questions}
        return found


def script_of(questions: Sequence[Question]) -> str:
    """One script that answers all; the empty line ends an answer that does not end its last.

    The marker at its beginning tells a host that ran out of time from one that can't be asked.
    """
    answers = side_by_side(
        [
            f"({asked.script()}\n) 2>/dev/null; printf '\\n{MARKER}\\n'"
            for asked, _ in _joined(questions)
        ]
    )
    return f"{ENDS_WELL}; echo {MARKER}\n{answers}"


def _joined(questions: Sequence[Question]) -> list[tuple[Question, Sequence[Question]]]:
    """The questions to send, and those that each of them answers."""
    kinds: dict[type[Question], list[Question]] = {}
    for question in questions:
        kinds.setdefault(type(question), []).append(question)
    sent: list[tuple[Question, Sequence[Question]]] = []
    for kind, alike in kinds.items():
        together = kind.joined(alike)
        sent += [(together, alike)] if together else [(one, [one]) for one in alike]
    return sent


@dataclass
class _Memory:
    """What is known of one host, and what its coming operations will want to know."""

    executing: bool = False
    answers: dict[Question, Any] = field(default_factory=dict)
    open: list[Question] = field(default_factory=list)


_memories: WeakKeyDictionary[Host, _Memory] = WeakKeyDictionary()


def _memory() -> _Memory:
    memory = _memories.setdefault(cast(Host, ctx_host.get()), _Memory())  # type: ignore[no-untyped-call]
    if memory.executing != state.is_executing:
        # Between preparing and executing an operator may have thought for minutes: ask afresh.
        memory.executing = state.is_executing
        memory.answers.clear()
    return memory


def expect(question: Question) -> None:
    """Announce a question, so that it travels with the others."""
    memory = _memory()
    if question not in memory.open:
        memory.open.append(question)


def ask(question: Question) -> Any:
    """The answer to ``question`` as of the last change of this run."""
    memory = _memory()
    expect(question)
    if question not in memory.answers:
        unknown = tuple(other for other in memory.open if other not in memory.answers)
        told: dict[Question, Any] | None = host.get_fact(
            Answers, questions=unknown, _stdin=script_of(unknown)
        )
        if told is None:
            raise OperatorError(f"{host.name} could not be asked; see above for what it said")
        memory.answers |= told
        if question not in memory.answers:
            raise OperatorError(f"{host.name} {unanswered(unknown, told)}")
    if state.is_executing:
        memory.open.remove(question)
    return memory.answers[question]


def unanswered(asked: Sequence[Question], told: Mapping[Question, Any]) -> str:
    """What kept a host that did not answer all: its answers come in the order of the questions."""
    first = next(one for one, alike in _joined(asked) if any(each not in told for each in alike))
    return (
        f"gave no answer within {LIMIT_S} s about {first.subject}. Look there for what can't be "
        "read to its end, such as a named pipe, a device, or a file system that hangs"
    )


def changing(*commands: StringCommand) -> Iterator[StringCommand]:
    """Yield the commands of an operation that changes the host; its answers are void then.

    Before the first change of a run it takes the host's lock; where another run holds it, the
    operation fails and names that run.
    """
    if not state.is_executing:
        yield from commands
        return
    current = cast(Host, ctx_host.get())  # type: ignore[no-untyped-call]
    if reason := host_lock.take(current):
        refused = f"{current.name} {reason}"
        yield StringCommand(f"echo {shlex.quote(refused)} >&2; exit 1")
        return
    for command in commands:
        # root's own umask may be stricter than a service can live with; it is no choice of ours.
        yield StringCommand("umask 022;", command, **command.connector_arguments)
    _memory().answers.clear()
