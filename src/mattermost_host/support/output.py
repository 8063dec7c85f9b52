"""Files that the operator asked for: reports and plans."""

from collections.abc import Iterator
from contextlib import contextmanager

import click

from mattermost_host.support.errors import OperatorError


def write(file: str, text: str) -> None:
    """Write ``text`` to ``file``; ``-`` is standard output. Raises OperatorError if that fails."""
    with writing(file), click.open_file(file, "w", encoding="utf-8") as stream:
        stream.write(text + "\n")


@contextmanager
def writing(file: str) -> Iterator[None]:
    """Turn errors of writing ``file`` into an OperatorError that names it."""
    try:
        yield
    except BrokenPipeError:
        raise  # the reader closed the pipe, as `head` does
    except OSError as error:
        name = "standard output" if file == "-" else file
        raise OperatorError(f"{name} can't be written: {error.strerror}") from error
