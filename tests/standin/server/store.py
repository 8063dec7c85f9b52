"""PostgreSQL: a pool of connections for many threads, and the wait for it at the start."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pg8000.exceptions import DatabaseError, InterfaceError
from pg8000.native import Connection

from mattermost_standin import StartError
from mattermost_standin.dsn import DataSource, parse
from mattermost_standin.log import log
from mattermost_standin.settings import Values

Row = dict[str, Any]  # by column
PATIENCE = 8.5  # seconds that a start waits for the database, seen with release 11
_PAUSE = 0.5  # seconds between two attempts


class Lost(Exception):
    """The database is not there, or went away."""


class Store:
    """Queries over at most SqlSettings.MaxOpenConns connections, opened when they are needed."""

    def __init__(self, values: Values):
        self._source: DataSource = parse(values["SqlSettings.DataSource"])
        self._arguments = self._source.arguments()
        self._timeout = values["SqlSettings.QueryTimeout"]  # seconds
        self._keep = values["SqlSettings.MaxIdleConns"]
        self._room = threading.BoundedSemaphore(values["SqlSettings.MaxOpenConns"])
        self._idle: list[Connection] = []

    def rows(self, sql: str, **values: Any) -> list[Row]:
        """The rows of one statement; its placeholders are :name."""
        with self._room:
            while self._idle:
                try:
                    return self._run(self._idle.pop(), sql, values)
                except (Lost, IndexError):
                    continue  # a connection from before the database went away
            return self._run(self.connect(), sql, values)

    def row(self, sql: str, **values: Any) -> Row | None:
        """The first row, if there is one."""
        found = self.rows(sql, **values)
        return found[0] if found else None

    @contextmanager
    def lock(self, number: int) -> Iterator[Connection]:
        """A connection of its own that holds the advisory lock; it waits without an end."""
        connection = self.connect(timeout=None)
        try:
            connection.run("SELECT pg_advisory_lock(:number)", number=number)
            yield connection
        finally:
            connection.close()

    def connect(self, timeout: float | None = 0) -> Connection:
        """A new connection; ``timeout`` in seconds, 0 for SqlSettings.QueryTimeout."""
        seconds = self._timeout if timeout == 0 else timeout
        try:
            return Connection(timeout=seconds, **self._arguments)
        except (InterfaceError, DatabaseError, OSError) as error:
            raise Lost(reason(error)) from None

    def await_start(self) -> None:
        """Wait for the database; StartError after PATIENCE, whatever stood in the way."""
        end = time.monotonic() + PATIENCE
        while True:
            try:
                self.rows("SELECT 1")
                return
            except Lost as error:
                log.error("Failed to ping DB: %s", error)
                left = end - time.monotonic()
                if left <= 0:
                    raise StartError(f"Failed to ping DB, server will exit: {error}") from None
                time.sleep(min(_PAUSE, left))

    def _run(self, connection: Connection, sql: str, values: dict[str, Any]) -> list[Row]:
        try:
            found = connection.run(sql, **values)
            names = [column["name"] for column in connection.columns or ()]
        except DatabaseError as error:
            if _fatal(error):
                raise Lost(reason(error)) from None
            self._give_back(connection)
            raise
        except (InterfaceError, OSError) as error:
            raise Lost(reason(error)) from None
        self._give_back(connection)
        return [dict(zip(names, row)) for row in found or ()]

    def _give_back(self, connection: Connection) -> None:
        if len(self._idle) < self._keep:
            self._idle.append(connection)
        else:
            connection.close()


def reason(error: Exception) -> str:
    """What the database or the system said; it holds no part of the data source."""
    if isinstance(error, DatabaseError) and error.args and isinstance(error.args[0], dict):
        return str(error.args[0].get("M", "database error"))
    cause = error.__cause__ or error
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror.lower()
    return "no connection to the database"


def code(error: DatabaseError) -> str:
    """The SQLSTATE."""
    return str(error.args[0].get("C", "")) if isinstance(error.args[0], dict) else ""


def _fatal(error: DatabaseError) -> bool:
    return code(error).startswith(("57P", "08"))
