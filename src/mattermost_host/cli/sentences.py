"""No traceback reaches an operator: what nobody expected becomes a sentence and a file."""

import os
import sys
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from pyinfra.api.exceptions import PyinfraError

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
        raise OperatorError(_said(error)) from error


@contextmanager
def _flushed() -> Iterator[None]:
    """Write what was printed while an error can still be reported; Python's exit can't."""
    try:
        yield
    finally:
        try:
            sys.stdout.flush()
        except OSError:
            with suppress(OSError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise


def _said(error: Exception) -> str:
    """What is shown: the kind of the error, not its text, which may hold a secret."""
    path = None
    with suppress(OSError):
        path = _written("".join(traceback.format_exception(error)))
    details = f"details are in {path}" if path else "its details could not be written"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename or 'input or output'}: {error.strerror}; {details}"
    return f"an unexpected {type(error).__name__}, a defect of this program; {details}"


def _written(text: str) -> Path:
    """A new file with ``text`` that only the caller can read."""
    when = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    for folder in _folders():
        with suppress(OSError, RuntimeError):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor, name = tempfile.mkstemp(".txt", f"error-{when}-", folder, text=True)
            with os.fdopen(descriptor, "w", encoding="utf-8", errors="replace") as stream:
                stream.write(text)
            return Path(name)
    raise OSError("no folder can be written")


def _folders() -> Iterator[Path]:
    if stated := os.environ.get("XDG_STATE_HOME"):
        yield Path(stated) / "mattermost-host"
    elif os.geteuid() == 0:
        yield Path("/var/lib/mattermost-host/errors")
    else:
        with suppress(RuntimeError):
            yield Path.home() / ".local/state/mattermost-host"
    yield Path(tempfile.gettempdir())
