"""The history of a site's drift: JSON lines, each with the SHA-256 of the one before.

A line that was edited, removed or inserted breaks the chain. Whoever writes the whole file anew
can make a chain that holds; the digest of the newest line therefore goes to the journal as well.
"""

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from mattermost_host.drift.outcome import Outcome, one_line
from mattermost_host.support.atomic_file import read_private
from mattermost_host.support.errors import OperatorError

NOTHING_BEFORE = "0" * 64
SHOWN = 30
RESULTS = {0: "as described", 1: "could not tell", 2: "drift"}


@dataclass(frozen=True)
class History:
    """What stands in the file."""

    entries: tuple[dict[str, Any], ...]
    broken: tuple[str, ...] = field(default=())
    """Sentences about lines that are not as they were written."""
    digest: str = NOTHING_BEFORE
    """Of the newest line."""


def append(path: Path, outcome: Outcome) -> str:
    """Add a line for ``outcome``; its digest. The file is 0600 from its first byte.

    Raises OperatorError where it can't be written.
    """
    entry = {
        "time": outcome.began.isoformat(timespec="seconds"),
        "seconds": round(outcome.seconds, 1),
        "status": outcome.status,
        "severity": outcome.severity,
        "drift": [asdict(one) for one in outcome.drift],
        "healed": [asdict(one) for one in outcome.healed],
        "reason": outcome.reason,
        "trouble": outcome.trouble,
    }
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "ab+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            written = file.read()
            line = json.dumps({"previous": _digest_of_last(written), **entry}).encode()
            # A line that a power cut left without its end stays, and breaks the chain there.
            file.write((b"" if written[-1:] in {b"", b"\n"} else b"\n") + line + b"\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise OperatorError(
            f"{path} can't be written ({error.strerror}), so this look for drift is missing in "
            "the history"
        ) from error
    return _digest(line)


def read(path: Path) -> History:
    """Everything in the file, and where its chain breaks; nothing where there is no file.

    Raises OperatorError where others may read it or it can't be read.
    """
    lines = (read_private(path) or "").splitlines()
    entries, broken, previous = [], [], NOTHING_BEFORE
    for number, line in enumerate(lines, 1):
        entry = _entry(line)
        if not entry:
            broken.append(f"line {number} is no entry: it was cut off while written, or edited")
        elif entry["previous"] != previous:
            before = f"line {number - 1}" if number > 1 else "the beginning"
            broken.append(
                f"line {number} does not follow from {before}: something there was edited, "
                "removed or inserted"
            )
        if entry:
            entries.append(entry)
        previous = _digest(line.encode())
    return History(tuple(entries), tuple(broken), previous)


def show(history: History, console: Console | None = None) -> None:
    """Print the newest entries as a table, and where the chain breaks."""
    out = console or Console(highlight=False)
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for title in ("when", "result", "worst", "seconds", "what"):
        table.add_column(title, no_wrap=title != "what", overflow="fold")
    for entry in history.entries[-SHOWN:]:
        when = datetime.fromisoformat(entry["time"]).astimezone()
        table.add_row(
            f"{when:%Y-%m-%d %H:%M}",
            RESULTS[entry["status"]],
            entry["severity"] if entry["drift"] else "",
            str(entry["seconds"]),
            Text("\n".join(_words(entry))),
        )
    out.print(table)
    earlier = len(history.entries) - SHOWN
    if earlier > 0:
        out.print(f"{earlier} earlier entries are in the file.")
    for sentence in history.broken:
        out.print(f"Not as it was written: {sentence}", style="bold red", markup=False)
    if not history.broken:
        out.print(f"The chain holds; its newest digest is {history.digest}.")


def _words(entry: dict[str, Any]) -> Iterator[str]:
    for name, before in (("drift", ""), ("healed", "put right: ")):
        for one in entry[name]:
            yield one_line(f"{before}{one['host']}: {one['subject']} {one['found']}")
    for name in ("trouble", "reason"):
        yield from (one_line(line) for line in entry[name].splitlines()[:1])


def _entry(line: str) -> dict[str, Any] | None:
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) and "previous" in entry else None


def _digest_of_last(written: bytes) -> str:
    lines = written.splitlines()
    return _digest(lines[-1]) if lines else NOTHING_BEFORE


def _digest(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()
