"""Questions of operations to a host, answered many at a time.

The cost of a run is its round trips. An operation therefore announces its question when the
deploy calls it (``expect``) and asks for the answer when it is evaluated (``ask``). The first
``ask`` sends every open question of that host in one command; the others find their answers
waiting. An operation that changed something makes the host's answers void (``changing``), so
the next one asks again. What one host says may hang on another, so a checkpoint makes the answers
of all hosts void where any was changed. A run that changes nothing costs one round trip a host.
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
"""For a connection that says nothing any more: each question has its own limit, far below."""

T = TypeVar("T")


@dataclass
class _Memory:
    """What is known of one host, and what its coming operations will want to know."""

    executing: bool = False
    answers: dict[Question[Any], Any] = field(default_factory=dict)
    open: list[Question[Any]] = field(default_factory=list)
    changes: int = 0
    """How often this run changed the host."""
    others: int = 0
    """How often it had changed the other hosts at the last checkpoint."""


_memories: WeakKeyDictionary[Host, _Memory] = WeakKeyDictionary()


def _host() -> Host:
    return cast(Host, ctx_host.get())  # type: ignore[no-untyped-call]


def _memory() -> _Memory:
    memory = _memories.setdefault(_host(), _Memory())
    if memory.executing != state.is_executing:
        # Between preparing and executing an operator may have thought for minutes: ask afresh.
        memory.executing = state.is_executing
        memory.answers.clear()
    return memory


def answers_of(host: Host, questions: Sequence[Question[Any]]) -> dict[Question[Any], Any]:
    """The answers of a connected host to ``questions``, without those that it can't give.

    Raises OperatorError where it can't be asked at all.
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
    """Announce a question, so that it travels with the others."""
    memory = _memory()
    if question not in memory.open:
        memory.open.append(question)


def ask(question: Question[T]) -> T:
    """The answer to ``question`` as of the last change of this run."""
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


def changing(*commands: StringCommand) -> Iterator[StringCommand]:
    """Yield the commands of an operation that changes the host; its answers are void then.

    Before the first change of a run it takes the host's lock; where another run holds it, the
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
    """Void the answers of a host where another one was changed since its last checkpoint."""
    memory = _memory()
    others = (_memories[host] for host in state.inventory if host in _memories)
    changes = sum(other.changes for other in others if other is not memory)
    if changes != memory.others:
        memory.answers.clear()
        memory.others = changes
