"""Runs the shell of our operations and questions here, in a temporary folder, without root.

Programs that this machine lacks or must not run for real (systemctl, apt-get …) are replaced by
small scripts in a folder that comes first in PATH.
"""

import os
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from mattermost_host.engine import batch, shell
from mattermost_host.engine.batch import Question

T = TypeVar("T")


def run(
    script: str, stdin: Iterable[str] = (), programs: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run ``script`` as pyinfra does: by sh, with lines on standard input."""
    return subprocess.run(
        ["sh", "-c", script],
        input="".join(f"{line}\n" for line in stdin),
        env={**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", "LC_ALL": "C"},
        capture_output=True,
        text=True,
        check=False,
    )


def program(folder: Path, name: str, script: str) -> None:
    """Put a program in front of the real one."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def ask_here(
    question: Question[T], programs: Path | None = None, places: Mapping[str, object] | None = None
) -> T:
    """The answer of this machine; ``places`` moves absolute paths into a temporary folder."""
    return asked_here((question,), programs, places)[question]


def asked_here(
    questions: Sequence[Question[T]],
    programs: Path | None = None,
    places: Mapping[str, object] | None = None,
) -> dict[Question[T], T]:
    """The answers of this machine to questions that are sent together, in their order."""

    def printed(script: str) -> list[str]:
        fixed = f"{shell.FIXED}\n{moved(script, places or {})}"
        if programs:
            fixed = fixed.replace(shell.PATH, f"{programs}:{shell.PATH}")
        answer = run(fixed)
        assert answer.returncode == 0, answer.stderr
        return answer.stdout.splitlines()

    answers = batch.told(questions, printed)
    return {question: answers[question] for question in questions}


def moved(script: str, places: Mapping[str, object]) -> str:
    """``script`` with other folders in place of the host's."""
    for place, stand_in in places.items():
        assert place in script
        script = script.replace(place, str(stand_in))
    return script
