"""Unexpected errors: a sentence for the operator, and a file with the traceback."""

import os
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from mattermost_host.support.paths import home


def defect(error: BaseException) -> str:
    """The error's type and the file with its details; not its text, which may hold a secret."""
    path = None
    with suppress(OSError):
        path = _written("".join(traceback.format_exception(error)))
    details = f"details are in {path}" if path else "its details could not be written"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename or 'input or output'}: {error.strerror}; {details}"
    return f"an unexpected {type(error).__name__}, a defect of this program; {details}"


def state_folder() -> Path:
    """The folder for the program's own state: the history of drift, details of errors."""
    if stated := os.environ.get("XDG_STATE_HOME"):
        return Path(stated) / "mattermost-host"
    if os.geteuid() == 0:
        return Path("/var/lib/mattermost-host")
    return home() / ".local/state/mattermost-host"


def _written(text: str) -> Path:
    """A new file with ``text``, readable by the caller only."""
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
    yield state_folder() / "errors"
    yield Path(tempfile.gettempdir())
