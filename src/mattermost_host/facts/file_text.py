"""The text of a small file of a host, whoever may write the folder that it lies in."""

import shlex
from dataclasses import dataclass

from mattermost_host.engine.batch import Question

LIMIT_BYTES = 2**20
"""A system's whole list of authorities has a quarter of it."""
LIMIT_S = 10
"""For a pipe that was put there at this very moment."""


@dataclass(frozen=True)
class FileText(Question[str]):
    """The beginning of a regular file, at most LIMIT_BYTES; empty where there is none."""

    about = "the file {path}"

    path: str

    def script(self) -> str:
        quoted = shlex.quote(self.path)
        return f"! [ -f {quoted} ] || timeout {LIMIT_S} head -c {LIMIT_BYTES} -- {quoted}"

    def parse(self, lines: list[str]) -> str:
        return "\n".join(lines)
