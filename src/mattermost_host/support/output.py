"""Files that an operator asked for: reports and plans."""

from collections.abc import Iterator
from contextlib import contextmanager

import click

from mattermost_host.support.errors import OperatorError


def write(file: str, text: str) -> None:
    """Write ``text`` to ``file``; ``-`` is standard output.

    Raises OperatorError where that is not possible.
    """
    with writing(file), click.open_file(file, "w", encoding="utf-8") as stream:
        stream.write(text + "\n")


@contextmanager
def writing(file: str) -> Iterator[None]:
    """For what writes ``file``: raises OperatorError with its name where that is not possible."""
    try:
        yield
    except BrokenPipeError:
        raise  # whoever reads our output has had enough
    except OSError as error:
        name = "standard output" if file == "-" else file
        raise OperatorError(f"{name} can't be written: {error.strerror}") from error
