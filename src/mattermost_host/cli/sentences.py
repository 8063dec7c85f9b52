"""Turns every error into a sentence; the traceback of an unexpected one goes to a file."""

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import click
from pyinfra.api.exceptions import PyinfraError

from mattermost_host.support import output
from mattermost_host.support.defects import defect
from mattermost_host.support.errors import OperatorError, visible

LONGEST = 500
"""Most characters of a message about a command line, which repeats what was typed."""
PASSWORD = re.compile(r"[^\s'\"(]+:[^\s'\"]*@")
"""The user and the password of an address."""
EXPECTED = (click.ClickException, click.Abort, click.exceptions.Exit)


class WrongCommandLine(click.UsageError):
    """An error of the command line; status 1, as click's 2 means changes in a plan."""

    exit_code = 1

    @classmethod
    def of(cls, error: click.UsageError) -> "WrongCommandLine":
        """The same error, shortened, and without what may be a password."""
        text = visible(PASSWORD.sub("…@", error.format_message()))
        return cls(text if len(text) <= LONGEST else f"{text[:LONGEST]}…", error.ctx)


class Sentences(click.Group):
    """A group of commands whose errors are all sentences."""

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        """Read the command line."""
        with sentences():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
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
        # The reader has closed the pipe, as `head` does.
        raise click.exceptions.Exit(1) from None
    except PyinfraError as error:
        raise OperatorError(str(error)) from error
    except Exception as error:
        raise OperatorError(defect(error)) from error


@contextmanager
def _flushed() -> Iterator[None]:
    """Flush the output while an error can still be reported."""
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
