"""Something that a running service has to reach works; nothing is changed, it is waited for."""

import shlex
from collections.abc import Generator
from dataclasses import dataclass

from pyinfra import host
from pyinfra.api import StringCommand, operation
from pyinfra.api.operation import OperationMeta

from mattermost_host.engine.batch import Question
from mattermost_host.engine.explanations import Change, explain
from mattermost_host.engine.questions import ask, changing, expect
from mattermost_host.ops.probe import PATIENCE_S

WAIT_S = 45


@dataclass(frozen=True)
class AskWorks(Question[bool]):
    """Whether a shell command succeeds."""

    about = "what {subject_of} reaches"
    waits = True

    subject_of: str
    command: str

    def script(self) -> str:
        return f"timeout {PATIENCE_S} sh -c {shlex.quote(self.command)} >&2 && echo yes"

    def parse(self, lines: list[str]) -> bool:
        return "yes" in lines


def works(name: str, question: AskWorks, otherwise: str) -> OperationMeta:
    """Wait until the command succeeds; ``otherwise`` says what is so while it does not."""
    expect(question)
    return _works(name=name, question=question, otherwise=otherwise)


@operation()
def _works(question: AskWorks, otherwise: str) -> Generator[StringCommand, None, None]:
    if ask(question):
        host.noop("it works")
        return
    explain(Change(question.subject_of, otherwise, severity="critical"))
    failed = shlex.quote(f"{question.subject_of} {otherwise}")
    yield from changing(
        StringCommand(
            f"end=$(($(date +%s) + {WAIT_S}))\n"
            f"until timeout {PATIENCE_S} sh -c {shlex.quote(question.command)}; do\n"
            f"  [ $(date +%s) -lt $end ] || {{ echo {failed} >&2; exit 1; }}\n  sleep 0.5\ndone"
        )
    )
