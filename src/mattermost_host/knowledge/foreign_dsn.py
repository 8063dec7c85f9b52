"""The data source of a server that somebody else set up: where its database is, and who owns it."""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import parse_qsl, unquote, urlsplit

from pydantic import SecretStr

from mattermost_host.knowledge.dsn import DEFAULT_PORT, PARAMETERS, Dsn

Kind = Literal["postgres", "mysql", "unknown"]
LOOPBACK = ("localhost", "::1", "")


@dataclass(frozen=True)
class Source:
    """A data source, without its password in anything that is shown."""

    kind: Kind
    role: str = ""
    database: str = ""
    host: str = ""
    port: int = DEFAULT_PORT
    local: bool = False
    """The database is on the server's own host."""
    password: SecretStr | None = None
    stated: str = ""
    """What an inventory states of it; without the password."""
    unknown: tuple[str, ...] = field(default=())
    """Names of parameters that an inventory can't state."""


def source_of(text: str, addresses: Collection[str], user: str) -> Source:
    """What ``text`` names, for a server that runs as ``user`` on a host with these addresses."""
    if not text.startswith(("postgres://", "postgresql://")):
        return Source("mysql" if "@tcp(" in text or text.startswith("mysql:") else "unknown")
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:
        return Source("unknown")
    options = dict(parse_qsl(url.query, keep_blank_values=True))
    host = unquote(url.hostname or "") or options.get("host", "")
    role = unquote(url.username or "") or options.get("user", "") or user
    password = unquote(url.password or "") or options.get("password", "")
    known = tuple((name, options[name]) for name in PARAMETERS if name in options)
    database = unquote(url.path[1:]) or options.get("dbname", "") or role
    port = port or int(options.get("port") or DEFAULT_PORT)
    parts = Dsn(role, host, port, database, known)
    return Source(
        "postgres",
        role=role,
        database=database,
        host=host,
        port=port,
        local=host in LOOPBACK or host.startswith(("127.", "/")) or host in addresses,
        password=SecretStr(password) if password else None,
        stated=parts.with_password(None).get_secret_value(),
        unknown=tuple(sorted({*options} - {*PARAMETERS, "host", "port", "user", "password"})),
    )
