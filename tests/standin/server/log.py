"""JSON lines to the console and to mattermost.log, as the server writes them."""

from __future__ import annotations

import json
import logging
import os
import sys
from datetime import datetime, timezone
from pathlib import Path

from mattermost_standin.settings import Values

log = logging.getLogger("mattermost")
_LEVELS = {"DEBUG": logging.DEBUG, "INFO": logging.INFO, "WARN": logging.WARNING}


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "timestamp": _stamp(record),
            "level": _level(record),
            "msg": record.getMessage(),
            "caller": f"{record.module}/{record.filename}:{record.lineno}",
        }
        return json.dumps(line)


class _Plain(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return f"{_level(record):5} [{_stamp(record)}] {record.getMessage()}"


class _File(logging.FileHandler):
    """Keeps its file open for good: a log that is moved away goes on growing elsewhere."""

    def _open(self):  # type: ignore[no-untyped-def]
        handle = os.open(self.baseFilename, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        return os.fdopen(handle, "a", encoding="utf-8")


def to_console() -> None:
    """Before the configuration is known: everything to the console."""
    _attach(logging.StreamHandler(sys.stdout), "INFO", as_json=True)
    log.setLevel(logging.DEBUG)
    log.propagate = False


def configure(values: Values) -> None:
    """The targets of LogSettings; a log folder that can't be written is reported, no more."""
    for handler in list(log.handlers):
        log.removeHandler(handler)
    if values["LogSettings.EnableConsole"]:
        console = logging.StreamHandler(sys.stdout)
        _attach(console, values["LogSettings.ConsoleLevel"], values["LogSettings.ConsoleJson"])
    if values["LogSettings.EnableFile"]:
        folder = Path(values["LogSettings.FileLocation"] or "logs")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            file = _File(folder / "mattermost.log")
        except OSError as error:
            print(f"can't write the log in {folder}: {error.strerror}", file=sys.stderr)
            return
        _attach(file, values["LogSettings.FileLevel"], values["LogSettings.FileJson"])


def _attach(handler: logging.Handler, level: str, as_json: bool) -> None:
    handler.setLevel(_LEVELS.get(level.upper(), logging.ERROR))
    handler.setFormatter(_Json() if as_json else _Plain())
    log.addHandler(handler)


def _stamp(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, timezone.utc)
    return moment.strftime("%Y-%m-%d %H:%M:%S.") + f"{int(record.msecs):03d} Z"


def _level(record: logging.LogRecord) -> str:
    return record.levelname.lower().replace("warning", "warn").replace("critical", "fatal")
