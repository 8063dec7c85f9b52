"""Whether what runs also answers: a process that hangs is active for systemd."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from mattermost_host.engine.batch import Question

PATIENCE_S = 3
"""What works answers in milliseconds, and what hangs is to be named within 5 s."""


@dataclass(frozen=True)
class Answering(Question[frozenset[str]]):
    """Those units that answer; each probe is a unit and shell that succeeds where it does."""

    probes: tuple[tuple[str, str], ...]

    @classmethod
    def joined(cls, questions: Sequence["Answering"]) -> "Answering":
        """All of them, which then wait side by side."""
        return cls(tuple(dict.fromkeys(probe for one in questions for probe in one.probes)))

    def part(self, answer: frozenset[str]) -> frozenset[str]:
        """Our units of those that answer."""
        return answer & {unit for unit, _ in self.probes}

    @property
    def subject(self) -> str:
        """The units."""
        return ", ".join(unit for unit, _ in self.probes)

    def script(self) -> str:
        tried = (
            f"{{ timeout {PATIENCE_S} sh -c {shlex.quote(command)} >&2 && echo {unit}; }} &"
            for unit, command in self.probes
        )
        return "\n".join([*tried, "wait"])

    def parse(self, lines: list[str]) -> frozenset[str]:
        return frozenset(lines)
