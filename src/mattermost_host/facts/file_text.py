"""Read a small file of a host safely, even from a folder that other users can write."""

import shlex
from dataclasses import dataclass

from mattermost_host.engine.batch import Question

LIMIT_BYTES = 2**20
"""Four times the size of a distribution's whole list of CA certificates."""
LIMIT_S = 10
"""Seconds; for a pipe that takes the file's place between the check and the reading."""


@dataclass(frozen=True)
class FileText(Question[str]):
    """The first LIMIT_BYTES of a regular file; empty if there is none."""

    about = "the file {path}"

    path: str

    def script(self) -> str:
        quoted = shlex.quote(self.path)
        return f"! [ -f {quoted} ] || timeout {LIMIT_S} head -c {LIMIT_BYTES} -- {quoted}"

    def parse(self, lines: list[str]) -> str:
        return "\n".join(lines)
