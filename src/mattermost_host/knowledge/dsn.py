"""The data source name of an external PostgreSQL, in the form that the server's driver reads.

``postgres://user@host:5432/database?sslmode=verify-full&sslrootcert=/path/on/the/app/host``
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Literal, cast, get_args
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlsplit

from pydantic import SecretStr

from mattermost_host.support.errors import Mistake

SslMode = Literal["disable", "require", "verify-ca", "verify-full"]
"""The four modes of the server's driver (lib/pq); it refuses libpq's ``allow`` and ``prefer``."""
DEFAULT_PORT = 5432
PARAMETERS = (
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "connect_timeout",
    "application_name",
    "binary_parameters",
    "search_path",
)
EXAMPLE = "postgres://mmuser@db.example.com:5432/mattermost?sslmode=verify-full"


@dataclass(frozen=True)
class Dsn:
    """A data source name in its parts, decoded."""

    user: str
    host: str
    """DNS name or address, without brackets."""
    port: int
    database: str
    parameters: tuple[tuple[str, str], ...] = ()

    @classmethod
    def parse(cls, text: str) -> "Dsn":
        """Parse a data source name in which ``dsn_mistakes`` finds no mistake."""
        url = urlsplit(text)
        return cls(
            user=unquote(url.username or ""),
            host=unquote(url.hostname or ""),
            port=url.port or DEFAULT_PORT,
            database=unquote(url.path[1:]),
            parameters=tuple(parse_qsl(url.query, keep_blank_values=True)),
        )

    def parameter(self, name: str) -> str:
        """The value of a parameter; empty if it is not given."""
        return dict(self.parameters).get(name, "")

    @property
    def sslmode(self) -> SslMode:
        """The mode as given; the driver's default is ``require``."""
        return cast(SslMode, self.parameter("sslmode") or "require")

    @property
    def loopback(self) -> bool:
        """Whether the connection stays on the host."""
        return _is_loopback(self.host)

    def with_password(self, password: SecretStr | None) -> SecretStr:
        """The whole text for the server, everything percent-encoded that has to be."""
        word = f":{quote(password.get_secret_value(), safe='')}" if password else ""
        host = f"[{self.host}]" if ":" in self.host else self.host
        query = "&".join(f"{key}={quote(value, safe='/')}" for key, value in self.parameters)
        return SecretStr(
            f"postgres://{quote(self.user, safe='')}{word}@{host}:{self.port}"
            f"/{quote(self.database, safe='')}{f'?{query}' if query else ''}"
        )


def dsn_mistakes(text: str, path: str, secrets_file: str) -> list[Mistake]:
    """All mistakes in a data source name; ``path`` is its place in the inventory.

    ``secrets_file`` is named as the place for a password. No message repeats a password.
    """
    if re.match(r"mysql:|[^/]*@tcp\(", text):
        needed = "Mattermost 11 speaks PostgreSQL only: migrate the database first, then write "
        return [Mistake(path, "a MySQL data source", f"{needed}{EXAMPLE}")]
    if not text.startswith(("postgres://", "postgresql://")):
        return [Mistake(path, "a value that is not a PostgreSQL URL", f"write it like {EXAMPLE}")]
    try:
        url = urlsplit(text)
    except ValueError:
        found = "an invalid IPv6 address in brackets"
        return [Mistake(path, found, f"write it like {EXAMPLE}")]
    return [
        Mistake(path, found, needed)
        for found, needed in (
            *_password_mistakes(url, secrets_file),
            *_place_mistakes(url),
            *_parameter_mistakes(url),
        )
    ]


def _password_mistakes(url: SplitResult, secrets_file: str) -> Iterator[tuple[str, str]]:
    in_query = any(key == "password" for key, _ in parse_qsl(url.query, keep_blank_values=True))
    if url.password is not None or in_query:
        yield (
            "a password in the inventory",
            f'remove it here and write database_password = "…" into {secrets_file} '
            "(or set MATTERMOST_HOST_DATABASE_PASSWORD)",
        )


def _place_mistakes(url: SplitResult) -> Iterator[tuple[str, str]]:
    if not url.username:
        yield "no user", f"name the database role before the host, like {EXAMPLE}"
    if not url.hostname:
        yield "no host", f"an external database is reached over TCP: name its host, like {EXAMPLE}"
    elif "," in url.netloc.rpartition("@")[2]:
        yield (
            "several hosts",
            "the server's driver takes one: use one address that always leads to the primary",
        )
    elif not _is_port(url):
        yield "an invalid port", "correct it, or leave it out for 5432"
    database = url.path[1:]
    if not database or "/" in database:
        yield (
            "a database name with a slash" if database else "no database",
            f"name one after the host, like {EXAMPLE}",
        )
    if url.fragment:
        yield "a '#'", "in a user or database name write %23"
    if _badly_encoded(url.username or "") or _badly_encoded(url.path):
        yield "an invalid percent-encoding", "for a percent sign write %25"


def _parameter_mistakes(url: SplitResult) -> Iterator[tuple[str, str]]:
    pairs = parse_qsl(url.query, keep_blank_values=True)
    names = [key for key, _ in pairs]
    for at, name in enumerate(names, 1):
        # Behind a question mark in a password comes the rest of it: no other name is shown.
        if name not in (*PARAMETERS, "password"):
            found = f"an unknown parameter, number {at} behind the question mark"
            yield found, f"remove it; known parameters are {', '.join(PARAMETERS)}"
    for name in PARAMETERS:
        if names.count(name) > 1:
            yield f"the parameter {name!r} {names.count(name)} times", "give it once"
    mode = dict(pairs).get("sslmode", "require")
    if mode not in get_args(SslMode):
        yield "an unknown sslmode", f"the server's driver knows {', '.join(get_args(SslMode))}"
    elif mode == "disable" and not _is_loopback(url.hostname or ""):
        yield (
            "sslmode=disable",
            "passwords and messages would cross the network in the clear: write "
            "sslmode=verify-full and sslrootcert=/path (disable is for loopback only)",
        )


def _is_port(url: SplitResult) -> bool:
    try:
        return url.port is None or url.port > 0
    except ValueError:
        return False


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _badly_encoded(text: str) -> bool:
    return re.search(r"%(?![0-9A-Fa-f]{2})", text) is not None
