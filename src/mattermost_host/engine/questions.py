"""Operations' questions to a host, batched into few round trips.

Round trips dominate the time of a run. Therefore an operation announces its question when the
deploy calls it (``expect``), and asks for the answer when it is evaluated (``ask``). The first
``ask`` sends all open questions of that host in one command; the others find their answers cached.
An operation that changes something invalidates the host's answers (``changing``), so the next one
asks again. Answers of one host may depend on another host, so a checkpoint invalidates the answers
of all hosts if any was changed. A run that changes nothing costs one round trip for each host.
"""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast
from weakref import WeakKeyDictionary

from paramiko import SSHException
from pyinfra import state
from pyinfra.api import Host, StringCommand
from pyinfra.context import ctx_host

from mattermost_host.engine import batch, host_lock, root
from mattermost_host.engine.batch import Question
from mattermost_host.engine.refusals import RootRefused
from mattermost_host.support.errors import OperatorError

GIVE_UP_S = 600
"""Time limit for a connection without any output; each question's own limit is far lower."""

T = TypeVar("T")


@dataclass
class _Memory:
    """The known answers of one host, and the questions that its operations will ask."""

    executing: bool = False
    answers: dict[Question[Any], Any] = field(default_factory=dict)
    open: list[Question[Any]] = field(default_factory=list)
    changes: int = 0
    """How many times this run has changed the host."""
    others: int = 0
    """How many times it had changed the other hosts at the last checkpoint."""


_memories: WeakKeyDictionary[Host, _Memory] = WeakKeyDictionary()


def _host() -> Host:
    return cast(Host, ctx_host.get())  # type: ignore[no-untyped-call]


def _memory() -> _Memory:
    memory = _memories.setdefault(_host(), _Memory())
    if memory.executing != state.is_executing:
        # The operator may have taken minutes between plan and execution: ask again.
        memory.executing = state.is_executing
        memory.answers.clear()
    return memory


def answers_of(host: Host, questions: Sequence[Question[Any]]) -> dict[Question[Any], Any]:
    """The answers of a connected host to ``questions``, without those that it can't give.

    Raises OperatorError if it can't be asked at all.
    """
    return batch.told(questions, lambda script: _printed(host, script))


def _printed(host: Host, script: str) -> list[str]:
    try:
        worked, said = host.run_shell_command(
            StringCommand(script), _timeout=GIVE_UP_S, **root.arguments_of(host)
        )
    except (SSHException, OSError, EOFError) as error:
        raise OperatorError(f"{host.name} did not answer: {error}") from error
    if not worked:
        raise RootRefused(host.name, said.output)
    return list(said.stdout_lines)


def expect(question: Question[Any]) -> None:
    """Announce a question, so that it is sent together with the others."""
    memory = _memory()
    if question not in memory.open:
        memory.open.append(question)


def ask(question: Question[T]) -> T:
    """The answer to ``question``, as of this run's last change of the host."""
    memory = _memory()
    expect(question)
    if question not in memory.answers:
        unknown = tuple(other for other in memory.open if other not in memory.answers)
        memory.answers |= answers_of(_host(), unknown)
        if question not in memory.answers:
            raise OperatorError(f"{_host().name} {batch.unanswered(unknown, memory.answers)}")
    if state.is_executing:
        memory.open.remove(question)
    return cast(T, memory.answers[question])


def ask_again(question: Question[T]) -> T:
    """The answer to ``question`` as of now, for what may have come up since it was asked."""
    _memory().answers.pop(question, None)
    return ask(question)


def changing(*commands: StringCommand) -> Iterator[StringCommand]:
    """Yield the commands of an operation that changes the host, and invalidate its answers.

    Before the first change of a run it takes the host's lock; if another run holds it, the
    operation fails and names that run.
    """
    if not state.is_executing:
        yield from commands
        return
    if reason := host_lock.take(_host()):
        refused = f"{_host().name} {reason}"
        yield StringCommand(f"echo {shlex.quote(refused)} >&2; exit 1")
        return
    yield from commands
    memory = _memory()
    memory.answers.clear()
    memory.changes += 1


def others_may_have_changed() -> None:
    """Invalidate the host's answers if another host was changed since the last checkpoint."""
    memory = _memory()
    others = (_memories[host] for host in state.inventory if host in _memories)
    changes = sum(other.changes for other in others if other is not memory)
    if changes != memory.others:
        memory.answers.clear()
        memory.others = changes
