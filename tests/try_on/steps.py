"""The steps of a trial: commands as an operator types them, what they said, how long they took."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mattermost_host.support.paths import PROJECT

BIN = Path(sys.executable).parent
LONGEST_S = 1800
"""For one command; a first deploy on a slow line takes some minutes."""
NO_STATUS = -1
"""Stands for the exit status of a command that had to be ended."""


@dataclass(frozen=True)
class Ran:
    """How a command ended."""

    status: int
    output: str
    """What it printed, errors last."""
    printed: str = ""
    """Its standard output alone."""
    seconds: float = 0.0

    @property
    def changed(self) -> tuple[str, ...] | None:
        """Names of the operations that changed something, of a deploy with --json."""
        try:
            operations = json.loads(self.printed)["results"]["operations"]
        except (ValueError, LookupError, TypeError):
            return None
        return tuple(str(one["name"]) for one in operations if one["success"])


@dataclass(frozen=True)
class Step:
    """A row of the report."""

    what: str
    command: str
    """As it was typed."""
    status: int
    seconds: float
    problem: str = ""
    """What was not as expected, a sentence; empty where all was."""
    output: str = ""


@dataclass
class Steps:
    """The steps so far. ``told`` hears of each."""

    folder: Path
    """Where the commands keep their own files."""
    environment: dict[str, str]
    told: Callable[[Step], None]
    done: list[Step] = field(default_factory=list)

    def run(
        self,
        what: str,
        *command: str,
        expected: int = 0,
        judge: Callable[[Ran], str] | None = None,
    ) -> Ran:
        """Type ``command``. ``judge`` says what is wrong although it ended as expected."""
        ran = self._typed(command)
        problem = ""
        if ran.status != expected:
            problem = f"Ended with {_shown(ran.status)} instead of {expected}."
        elif judge:
            problem = judge(ran)
        self._note(Step(what, " ".join(command), ran.status, ran.seconds, problem, ran.output))
        return ran

    def note(self, what: str, command: str, answer: tuple[int, str], seconds: float) -> bool:
        """A step that was no command of ours: its exit status and output; whether it went well."""
        status, output = answer
        problem = "" if status == 0 else f"Ended with {status}."
        self._note(Step(what, command, status, seconds, problem, output))
        return not problem

    @property
    def problems(self) -> list[Step]:
        """Those that were not as expected."""
        return [step for step in self.done if step.problem]

    def _note(self, step: Step) -> None:
        self.done.append(step)
        self.told(step)

    def _typed(self, command: Sequence[str]) -> Ran:
        start = time.monotonic()
        try:
            done = subprocess.run(
                [str(BIN / command[0]), *command[1:]],
                cwd=PROJECT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=LONGEST_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            said = f"It had not ended after {LONGEST_S} s."
            return Ran(NO_STATUS, said, seconds=time.monotonic() - start)
        seconds = time.monotonic() - start
        said = done.stderr if done.stdout.startswith("{") else f"{done.stdout}\n{done.stderr}"
        return Ran(done.returncode, said.strip(), done.stdout, seconds)


def _shown(status: int) -> str:
    return "no status" if status == NO_STATUS else str(status)
