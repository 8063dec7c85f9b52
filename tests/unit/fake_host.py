"""Runs a deploy without any host: its steps, commands, standard input and rendered files.

Questions are answered by a function, the host's facts are given. What nobody answers is answered as
a fresh host would: with no output at all.
"""

import base64
import io
import shlex
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

from pyinfra.api import Config, FunctionCommand, Host, Inventory, State, StringCommand
from pyinfra.api.connect import connect_all
from pyinfra.api.operations import run_ops
from pyinfra.api.state import StateStage
from pyinfra.connectors.util import CommandOutput
from pyinfra.context import ctx_host, ctx_inventory, ctx_state

from mattermost_host.engine import questions
from mattermost_host.engine.batch import Question
from mattermost_host.engine.explanations import Change, explained
from mattermost_host.facts import reading
from mattermost_host.facts.host import HostFacts
from mattermost_host.ops import files
from mattermost_host.ops.entries import Entry, File

Answer = Callable[[Question[Any]], Any]
UNANSWERED = object()
"""The answer to what a host has no time for."""


@dataclass
class Step:
    """One operation: its name and what it would do."""

    name: str
    commands: list[str] = field(default_factory=list)
    stdin: list[str] = field(default_factory=list)
    uploads: dict[str, str] = field(default_factory=dict)
    """Destination on the host -> file on the control machine."""
    conditional: bool = False
    told: tuple[Change, ...] = ()
    """What it says that it would change, where that is collected."""

    @property
    def changes(self) -> bool:
        """Whether it would do anything."""
        return bool(self.commands or self.uploads)

    @property
    def shell(self) -> str:
        """All its commands as one text."""
        return "\n".join(self.commands)


@dataclass
class Plan:
    """What a run would do, or did."""

    steps: list[Step] = field(default_factory=list)
    written: dict[str, bytes] = field(default_factory=dict)
    """What would be written: path -> content."""
    entries: list[Entry] = field(default_factory=list)
    """Everything that ``ops.files`` keeps, whether it differs or not."""
    questions: list[Question[Any]] = field(default_factory=list)
    round_trips: int = 0
    """Commands sent to the host: those of questions, of facts and of operations."""

    @property
    def changed(self) -> list[str]:
        """Names of the operations that would change something."""
        return [step.name for step in self.steps if step.changes]

    @property
    def shell(self) -> str:
        """All commands as one text."""
        return "\n".join(step.shell for step in self.steps)

    @property
    def stdin(self) -> str:
        """Everything that travels by standard input."""
        return "\n".join(line for step in self.steps for line in step.stdin)

    def step(self, name: str) -> Step:
        """The only step whose name ends with ``name``."""
        (found,) = (step for step in self.steps if step.name.endswith(name))
        return found

    def text(self, path: str) -> str:
        """Content of the file kept at ``path``."""
        return self.entry(path).data.decode()

    def entry(self, path: str) -> File:
        """The file kept at ``path``."""
        (found,) = (entry for entry in self.entries if entry.path == path)
        assert isinstance(found, File)
        return found


def nothing_installed(question: Question[Any]) -> Any:
    """The answer of a fresh host: every command fails and prints nothing."""
    return question.parse([])


def answering(answers: Mapping[Any, Any], otherwise: Answer = nothing_installed) -> Answer:
    """Answers from a table, and ``otherwise`` where it holds none."""
    return lambda question: answers[question] if question in answers else otherwise(question)


def plan(
    deploy: Callable[..., Any],
    *arguments: Any,
    answer: Answer = nothing_installed,
    facts: HostFacts | None = None,
    **keywords: Any,
) -> Plan:
    """What ``deploy(*arguments, **keywords)`` would do on a host that answers so."""
    result = Plan()
    with _fake_host(result, answer, facts, yes=False) as (state, host):
        deploy(*arguments, **keywords)
        for digest in host.op_hash_order:
            result.steps.append(_planned(state, host, digest, result))
    return result


def apply(
    deploy: Callable[..., Any],
    *arguments: Any,
    answer: Answer = nothing_installed,
    facts: HostFacts | None = None,
    **keywords: Any,
) -> Plan:
    """What ``pyinfra -y`` does: its own execution, with every command succeeding in silence."""
    result = Plan()
    with _fake_host(result, answer, facts, yes=True) as (state, host):
        deploy(*arguments, **keywords)
        state.set_stage(StateStage.Execute)
        run_ops(state)
        for digest in host.op_hash_order:
            meta = state.ops[host][digest].operation_meta
            assert meta.did_succeed()
            step = Step(_name(state, digest))
            for command in meta._commands or []:
                _record(command, step, result)
            result.steps.append(step)
    return result


@contextmanager
def _fake_host(
    result: Plan, answer: Answer, facts: HostFacts | None, *, yes: bool
) -> Iterator[tuple[State, Host]]:
    """One host that is nowhere, in all the contexts in which deploy code runs."""
    quick = {"fake_delay": 0, "fake_delay_jitter": 0}
    inventory = Inventory((["@fake/host"], {}), override_data=quick)  # type: ignore[no-untyped-call]
    state = State(inventory, Config(), check_for_changes=not yes)  # type: ignore[no-untyped-call]
    state.cwd = "."
    (host,) = inventory

    def answers_of(_: Host, asked: Sequence[Question[Any]]) -> dict[Question[Any], Any]:
        result.round_trips += 1
        result.questions.extend(asked)
        answers = {question: answer(question) for question in asked}
        return {question: one for question, one in answers.items() if one is not UNANSWERED}

    def read(*_: Any) -> HostFacts | None:
        result.round_trips += 1
        return facts

    def run_shell_command(*_: Any, **__: Any) -> tuple[bool, CommandOutput]:
        result.round_trips += 1
        return True, CommandOutput([])

    def put_file(*_: Any, **__: Any) -> bool:
        result.round_trips += 1
        return True

    def present(*, entries: tuple[Entry, ...], **keywords: Any) -> Any:
        result.entries.extend(entries)
        return real_present(entries=entries, **keywords)

    connect_all(state)
    state.set_stage(StateStage.Prepare)
    real_present = files._present
    with (
        mock.patch.object(questions, "answers_of", answers_of),
        mock.patch.object(reading, "read", read),
        mock.patch.object(host, "run_shell_command", run_shell_command),
        mock.patch.object(host, "put_file", put_file),
        mock.patch.object(files, "_present", present),
        ctx_state.use(state),
        ctx_inventory.use(inventory),
        ctx_host.use(host),
    ):
        yield state, host


def _name(state: State, digest: str) -> str:
    return ", ".join(state.op_meta[digest].names)


def _planned(state: State, host: Host, digest: str, result: Plan) -> Step:
    data = state.ops[host][digest]
    step = Step(_name(state, digest), conditional=bool(data.global_arguments["_if"]))
    for command in data.command_generator():
        _record(command, step, result)
    step.told = tuple(explained(host, digest))
    return step


def _record(command: Any, step: Step, result: Plan) -> None:
    if isinstance(command, FunctionCommand):
        source, destination = command.args
        step.uploads[destination] = str(source)
        return
    assert isinstance(command, StringCommand), command
    lines = list(command.connector_arguments.get("_stdin") or [])
    step.commands.append(str(command))
    step.stdin += lines
    if "base64 -d | tar" in str(command):
        sent = unpacked(lines)
        result.written |= {path: sent[path] for path in _placed(str(command))}


def _placed(script: str) -> list[str]:
    """The paths to which a script of ``ops.files`` renames what was sent."""
    return [shlex.split(line)[1] for line in script.splitlines() if line.startswith("place ")]


def unpacked(lines: list[str]) -> dict[str, bytes]:
    """The files in an archive that ``ops.files`` sends by standard input."""
    with tarfile.open(fileobj=io.BytesIO(base64.b64decode("".join(lines)))) as archive:
        return {f"/{one.name}": archive.extractfile(one).read() for one in archive}  # type: ignore[union-attr]
