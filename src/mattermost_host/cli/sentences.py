"""No traceback reaches an operator: what nobody expected becomes a sentence and a file."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import click
from pyinfra.api.exceptions import PyinfraError

from mattermost_host.support import output
from mattermost_host.support.defects import defect
from mattermost_host.support.errors import OperatorError

LONGEST = 500
"""Characters of a sentence about a command line, which repeats what was typed."""
EXPECTED = (click.ClickException, click.Abort, click.exceptions.Exit)


class WrongCommandLine(click.UsageError):
    """What click says of a command line. Its status 2 would mean that a plan found changes."""

    exit_code = 1

    @classmethod
    def of(cls, error: click.UsageError) -> "WrongCommandLine":
        """The same, however long what was typed is."""
        text = error.format_message()
        return cls(text if len(text) <= LONGEST else f"{text[:LONGEST]}…", error.ctx)


class Sentences(click.Group):
    """A group of commands that end with a sentence, whatever happens."""

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        """Read the command line."""
        with sentences():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was asked for."""
        with sentences():
            return super().invoke(ctx)


@contextmanager
def sentences() -> Iterator[None]:
    """Turn every error into one sentence; the traceback of a defect goes into a file."""
    try:
        with _flushed():
            yield
    except click.exceptions.NoArgsIsHelpError:
        raise
    except click.UsageError as error:
        raise WrongCommandLine.of(error) from None
    except EXPECTED:
        raise
    except BrokenPipeError:
        # Whoever read our output has closed it, as `head` does.
        raise click.exceptions.Exit(1) from None
    except PyinfraError as error:
        raise OperatorError(str(error)) from error
    except Exception as error:
        raise OperatorError(defect(error)) from error


@contextmanager
def _flushed() -> Iterator[None]:
    """Write what was printed while an error can still be reported; Python's exit can't."""
    try:
        yield
    finally:
        try:
            with output.writing("-"):
                sys.stdout.flush()
        except (OSError, OperatorError):
            with suppress(OSError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise
