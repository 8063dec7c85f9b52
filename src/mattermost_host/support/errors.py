"""Errors that are shown to the operator: each is a sentence, never a traceback."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO, Any

import click
from pyinfra.api.exceptions import PyinfraError
from pyinfra_cli.exceptions import CliError


@dataclass(frozen=True)
class Mistake:
    """One mistake in an inventory: where it is, what was found, what is needed."""

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
    """The text on one line, shortened, with what a terminal would obey made visible."""
    return visible(text if len(text) <= SHOWN else f"{text[:SHOWN]}…", kept="")


def visible(text: str, kept: str = "\n\t") -> str:
    """The text with escapes for control characters and marks of direction, except for ``kept``."""
    return "".join(one if one.isprintable() or one in kept else ascii(one)[1:-1] for one in text)


class OperatorError(PyinfraError, CliError):
    """A sentence for the operator; pyinfra's command and ours print it and exit with status 1."""

    def __init__(self, sentence: str = "") -> None:
        # It may repeat a value of the inventory or words of a host: a terminal must not obey them.
        super().__init__(visible(sentence))

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the sentence; pyinfra calls this and would otherwise add a line of code."""
        click.secho("Error: ", fg="red", bold=True, nl=False, err=True, file=file)
        click.echo(self.message, err=True, file=file)


class SiteError(OperatorError):
    """All mistakes of an inventory, reported at once and before any connection."""

    def __init__(self, source: str, mistakes: Sequence[Mistake]):
        self.source = source
        self.mistakes = tuple(mistakes)
        count = len(self.mistakes)
        head = f"{source}: {count} mistake{'s' if count != 1 else ''}; nothing was changed"
        lines = [f"  - {mistake}" for mistake in self.mistakes[:MOST]]
        if count > MOST:
            lines.append(f"  and {count - MOST} more: correct these, and run again")
        super().__init__("\n".join([head, *lines]))
