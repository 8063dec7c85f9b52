"""Errors that an operator reads. Each is a sentence, never a traceback."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO, Any

import click
from pyinfra.api.exceptions import PyinfraError
from pyinfra_cli.exceptions import CliError


@dataclass(frozen=True)
class Mistake:
    """One wrong thing in an inventory: where, what stands there, what to write instead."""

    path: str
    found: str
    needed: str

    def __str__(self) -> str:
        return f"{_shown(self.path)}: found {_shown(self.found)}; {_shown(self.needed)}"


SHOWN = 400
"""Characters of a part of a sentence; whoever wrote a longer value knows how it goes on."""
MOST = 300
"""Mistakes that are shown; so many have one cause, such as another program's settings."""


def _shown(text: str) -> str:
    """A part of a sentence on one line, without what would move a terminal's cursor."""
    short = text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in short)


class OperatorError(PyinfraError, CliError):
    """A sentence for the operator. pyinfra's command and ours print it and exit with 1."""

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the sentence, without the line of code that pyinfra would put before it."""
        click.secho("Error: ", fg="red", bold=True, nl=False, err=True, file=file)
        click.echo(self.message, err=True, file=file)


class SiteError(OperatorError):
    """Every mistake of an inventory at once, before any connection."""

    def __init__(self, source: str, mistakes: Sequence[Mistake]):
        self.source = source
        self.mistakes = tuple(mistakes)
        count = len(self.mistakes)
        head = f"{source}: {count} mistake{'s' if count != 1 else ''}; nothing was changed"
        lines = [f"  - {mistake}" for mistake in self.mistakes[:MOST]]
        if count > MOST:
            lines.append(f"  and {count - MOST} more: correct these, and run again")
        super().__init__("\n".join([head, *lines]))
