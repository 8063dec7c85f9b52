"""The text of a small file of a host, whoever may write the folder that it lies in."""

import shlex

from pyinfra.api import FactBase

LIMIT_BYTES = 2**20
"""A system's whole list of authorities has a quarter of it."""
LIMIT_S = 10
"""For a pipe that was put there at this very moment."""


class FileText(FactBase["str"]):
    """The beginning of a regular file, at most LIMIT_BYTES; empty where there is none."""

    def command(self, path: str) -> str:
        quoted = shlex.quote(path)
        return f"! [ -f {quoted} ] || timeout {LIMIT_S} head -c {LIMIT_BYTES} -- {quoted}"

    def process(self, output: list[str]) -> str:
        return "\n".join(output)
