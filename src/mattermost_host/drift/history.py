"""The history of a site's drift: one outcome in each line, as JSON."""

import os
from dataclasses import dataclass
from pathlib import Path

import click
from pydantic import TypeAdapter, ValidationError

from mattermost_host.drift.outcome import Outcome
from mattermost_host.support.atomic_file import check_private, read_private
from mattermost_host.support.errors import OperatorError

SHOWN = 30
LARGEST_BYTES = 1 << 28
"""Bytes; enough for a quarter of a million entries."""
OUTCOME: TypeAdapter[Outcome] = TypeAdapter(Outcome)


@dataclass(frozen=True)
class History:
    """The content of the file."""

    entries: tuple[Outcome, ...]
    broken: tuple[int, ...]
    """Numbers of the lines that are not entries: truncated, or edited."""


def append(path: Path, outcome: Outcome) -> None:
    """Add a line for ``outcome``; the file has mode 0600 from its first byte.

    Raises OperatorError if it can't be written.
    """
    # Don't follow a link, and don't wait for a pipe.
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        with os.fdopen(os.open(path, flags, 0o600), "ab", buffering=0) as file:
            status = os.fstat(file.fileno())
            check_private(path, status, LARGEST_BYTES)
            # After a line that a power cut truncated, begin a new line.
            ended = os.pread(file.fileno(), 1, max(status.st_size - 1, 0)) in {b"", b"\n"}
            file.write((b"" if ended else b"\n") + OUTCOME.dump_json(outcome) + b"\n")
            os.fsync(file.fileno())
    except OSError as error:
        raise OperatorError(f"{path} can't be written: {error.strerror}") from error


def read(path: Path) -> History:
    """Read the file; empty if there is none.

    Raises OperatorError if others may read it, or if it can't be read.
    """
    entries, broken = [], []
    for number, line in enumerate((read_private(path, LARGEST_BYTES) or "").splitlines(), 1):
        try:
            entries.append(OUTCOME.validate_json(line))
        except ValidationError:
            broken.append(number)
    return History(tuple(entries), tuple(broken))


def show(history: History) -> None:
    """Print the newest entries, and which lines are not entries."""
    for entry in history.entries[-SHOWN:]:
        *lines, (_, summary) = entry.lines()
        when = f"{entry.began.astimezone():%Y-%m-%d %H:%M}"
        click.echo(f"{when}  {summary} ({entry.seconds:.1f} s)")
        for level, line in lines:
            click.echo(f"    {level}: {line}")
    if not history.entries and not history.broken:
        click.echo("No check for drift has been made by this user yet.")
    if (earlier := len(history.entries) - SHOWN) > 0:
        click.echo(f"{earlier} earlier entries are in the file.")
    if history.broken:
        numbers = ", ".join(map(str, history.broken))
        click.secho(f"No entry, cut off or edited: line {numbers}", fg="red")
