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
        return f"{self.path}: found {self.found}; {self.needed}"


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
        head = f"{source}: {count} mistake{'s' if count != 1 else ''}; nothing was touched"
        super().__init__("\n".join([head, *(f"  - {mistake}" for mistake in self.mistakes)]))
