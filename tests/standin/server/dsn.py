"""A data source name as Go's driver reads it, for pg8000. Its text is never shown."""

from __future__ import annotations

import os
import pwd
import ssl
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from mattermost_standin import StartError

_BAD = (
    "SqlSettings.DataSource can't be read as postgres://USER:PASSWORD@HOST:PORT/DATABASE?…: "
    "percent-encode the special characters of user and password"
)


@dataclass(frozen=True)
class DataSource:
    """Where the database is, and as whom and how to speak to it."""

    host: str
    port: int
    database: str
    user: str
    password: str | None = field(repr=False)
    options: dict[str, str] = field(repr=False)

    def arguments(self) -> dict[str, Any]:
        """Keyword arguments of pg8000's Connection; raises StartError for a bad sslmode."""
        where: dict[str, Any] = {"host": self.host, "port": self.port}
        if self.host.startswith("/"):
            socket = f"{self.host}/.s.PGSQL.{self.port}"
            where = {"unix_sock": socket, "ssl_context": False}
        else:
            where["ssl_context"] = self._tls()
        return {
            **where,
            "user": self.user,
            "password": self.password,
            "database": self.database,
            "application_name": "mattermost",
        }

    def _tls(self) -> ssl.SSLContext | bool:
        mode = self.options.get("sslmode", "require")
        if mode == "disable":
            return False
        if mode not in {"require", "verify-ca", "verify-full"}:
            raise StartError(f"SqlSettings.DataSource: unsupported sslmode {mode}")
        root = self.options.get("sslrootcert")
        try:
            context = ssl.create_default_context(cafile=root)
            context.check_hostname = mode == "verify-full"
            if mode == "require" and not root:
                context.verify_mode = ssl.CERT_NONE
            if "sslcert" in self.options:
                context.load_cert_chain(self.options["sslcert"], self.options.get("sslkey"))
        except (OSError, ssl.SSLError) as error:
            raise StartError(
                "SqlSettings.DataSource: a file of sslrootcert, sslcert or sslkey can't be "
                f"read: {error.strerror or type(error).__name__}"
            ) from None
        return context


def parse(text: str) -> DataSource:
    """Read a postgres:// URL; raises StartError, which never quotes the text."""
    try:
        parts = urlsplit(text)
        options = {key: values[-1] for key, values in parse_qs(parts.query).items()}
        port = parts.port or int(options.get("port", "5432"))
    except ValueError:
        raise StartError(_BAD) from None
    if parts.scheme not in {"postgres", "postgresql"}:
        raise StartError(_BAD)
    user = unquote(parts.username or "") or options.get("user") or _own_name()
    password = parts.password if parts.password is not None else options.get("password")
    return DataSource(
        host=parts.hostname or options.get("host") or "localhost",
        port=port,
        database=unquote(parts.path.lstrip("/")) or options.get("dbname") or user,
        user=user,
        password=unquote(password) if password else None,
        options=options,
    )


def _own_name() -> str:
    return pwd.getpwuid(os.getuid()).pw_name
