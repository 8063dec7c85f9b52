"""An external PostgreSQL, asked from the application host's point of view before any change.

The connection, its TLS and its name are verified as the server's driver (lib/pq) will do it.
"""

import socket
import ssl
from dataclasses import dataclass

from pg8000.exceptions import DatabaseError, InterfaceError
from pg8000.native import Connection
from pydantic import SecretStr
from pyinfra.api.host import Host
from pyinfra.facts.files import FileContents

from mattermost_host.dsn import Dsn
from mattermost_host.requirement import Finding
from mattermost_host.tunnel import TunnelError, connection_from

SYSTEM_AUTHORITIES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
)
"""Where Debian and the Enterprise Linux family keep the authorities that Go trusts."""
LOCALE = "en_US.UTF-8"
QUERY = """
SELECT current_setting('server_version_num')::int AS version_num,
       pg_encoding_to_char(d.encoding) AS encoding,
       d.datcollate::text AS collation,
       pg_has_role(d.datdba, 'USAGE') AS owns_database,
       coalesce(has_schema_privilege(to_regnamespace('public'), 'CREATE'), false) AS creates,
       r.rolsuper AS superuser,
       pg_is_in_recovery() AS in_recovery,
       current_setting('max_connections')::int
         - current_setting('superuser_reserved_connections')::int
         - coalesce(current_setting('reserved_connections', true)::int, 0) AS connections,
       r.rolconnlimit AS role_limit,
       d.datconnlimit AS database_limit
  FROM pg_database d, pg_roles r
 WHERE d.datname = current_database() AND r.rolname = current_user
"""
REMEDIES = {
    "28P01": "Correct database_password in the secrets file, or the role's password.",
    "28000": (
        "Allow the application host in the server's pg_hba.conf: "
        "hostssl DATABASE ROLE ADDRESS/32 scram-sha-256."
    ),
    "3D000": (
        "Create it: CREATE DATABASE … OWNER … ENCODING 'UTF8' LC_COLLATE 'en_US.UTF-8' "
        "LC_CTYPE 'en_US.UTF-8' TEMPLATE template0."
    ),
    "53300": "Raise max_connections of the server, or free some connections.",
}
"""What to do about an SQLSTATE that the server answers a log-in with."""


DATABASE_CHECKS = (
    "database-connection",
    "database-version",
    "database-encoding",
    "database-collation",
    "database-privileges",
    "database-superuser",
    "database-writable",
    "database-tls",
    "database-connections",
)
"""Every check of this module; where the first is skipped, nothing is asked."""


@dataclass(frozen=True)
class DatabaseFacts:
    """What an external database said of itself and of our role in it."""

    version_num: int
    """As ``server_version_num``: 150018 is 15.18."""
    encoding: str
    collation: str
    owns_database: bool
    creates: bool
    """The role may create in schema public."""
    superuser: bool
    in_recovery: bool
    """A replica: it cannot be written."""
    connections: int
    """Connections that a plain role may have at once, whoever has them now."""
    role_limit: int
    """-1 is none."""
    database_limit: int
    """-1 is none."""
    sslmode: str = "disable"
    """How the connection on which this was asked was protected."""


class DatabaseUnavailable(Exception):
    """No answer; ``finding`` says why and what to do."""

    def __init__(self, found: str, remedy: str):
        self.finding = Finding(
            "database-connection", "error", found, "a log-in from the application host", remedy
        )
        super().__init__(found)


def check_database(
    host: Host,
    dsn: Dsn,
    password: SecretStr | None,
    *,
    authorities: str | None,
    minimum: int,
    pool: int,
) -> list[Finding]:
    """All findings about an external database, asked from ``host``; nothing is changed.

    ``authorities`` are the certificates (PEM) that the run will put at the DSN's ``sslrootcert``;
    None takes those that the host has. ``minimum`` is the release's smallest PostgreSQL major,
    ``pool`` the connections that all application hosts may open together.
    """
    if dsn.parameter("sslcert"):
        found = "a client certificate, whose key never leaves the application host"
        return [Finding("database-connection", "skipped", found)]
    try:
        facts = read_facts(host, dsn, password, authorities)
    except DatabaseUnavailable as unavailable:
        return [unavailable.finding]
    return findings(facts, minimum, pool)


def read_facts(
    host: Host, dsn: Dsn, password: SecretStr | None, authorities: str | None
) -> DatabaseFacts:
    """Log in as the server will and ask. Raises DatabaseUnavailable."""
    place = f"{dsn.host}:{dsn.port}"
    context = _tls_context(host, dsn, authorities)
    try:
        with connection_from(host, dsn.host, dsn.port) as sock:
            return _ask(dsn, password, context, sock)
    except TunnelError as error:
        remedy = f"Let {host.name} reach {place}: name, route, firewall, listen_addresses."
        raise DatabaseUnavailable(f"{place}: {error}", remedy) from None
    except ssl.SSLError as error:
        reason = getattr(error, "verify_message", "") or error.reason or "no TLS"
        remedy = "Name the authority of its certificate and the host name that stands in it."
        raise DatabaseUnavailable(f"{place}: its TLS is not trusted: {reason}", remedy) from None
    except DatabaseError as error:
        answer: dict[str, str] = error.args[0]
        remedy = REMEDIES.get(answer["C"], "See the log of the database server.")
        raise DatabaseUnavailable(f"{place} answered: {answer['M']}", remedy) from None
    except (InterfaceError, OSError) as error:
        remedy = "See whether PostgreSQL answers there, with TLS, and what the log-in needs."
        raise DatabaseUnavailable(f"{place}: {error}", remedy) from None


def findings(facts: DatabaseFacts, minimum: int, pool: int) -> list[Finding]:
    """Judge the facts; see ``check_database`` for ``minimum`` and ``pool``."""
    return [
        _version(facts, minimum),
        _encoding(facts),
        _collation(facts),
        _privileges(facts),
        _superuser(facts),
        _writable(facts),
        _tls(facts),
        _connections(facts, pool),
    ]


def _ask(
    dsn: Dsn, password: SecretStr | None, context: ssl.SSLContext | None, sock: socket.socket
) -> DatabaseFacts:
    connection = Connection(
        dsn.user,
        host=dsn.host,  # the name that TLS verifies; the way there is ``sock``
        database=dsn.database,
        # pg8000 breaks when asked for a password it has not; an empty one is refused in words.
        password=password.get_secret_value() if password else "",
        ssl_context=context or False,
        application_name="mattermost-host preflight",
        sock=sock,
    )
    try:
        rows = connection.run(QUERY)
        columns = [column["name"] for column in connection.columns]
    finally:
        connection.close()
    return DatabaseFacts(**dict(zip(columns, rows[0], strict=True)), sslmode=_protection(dsn))


def _protection(dsn: Dsn) -> str:
    """The driver verifies the authority in mode require too, where one is named."""
    named = dsn.sslmode == "require" and dsn.parameter("sslrootcert")
    return "verify-ca" if named else dsn.sslmode


def _tls_context(host: Host, dsn: Dsn, authorities: str | None) -> ssl.SSLContext | None:
    mode = _protection(dsn)
    if mode == "disable":
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = mode == "verify-full"
    if mode == "require":
        context.verify_mode = ssl.CERT_NONE
        return context
    # As Go does it: whatever stands in the file is trusted, an intermediate too.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    try:
        context.load_verify_locations(cadata=authorities or _authorities_of(host, dsn))
    except ssl.SSLError:
        raise DatabaseUnavailable(
            "authorities that are not certificates in PEM form", "Correct the file in sslrootcert."
        ) from None
    return context


def _authorities_of(host: Host, dsn: Dsn) -> str:
    named = dsn.parameter("sslrootcert")
    for path in (named,) if named else SYSTEM_AUTHORITIES:
        if lines := host.get_fact(FileContents, path=path):
            return "\n".join(lines)
    raise DatabaseUnavailable(
        f"no file {named} on {host.name}" if named else f"no authorities on {host.name}",
        "Put the authority's certificate there, or name it in the inventory.",
    )


def _version(facts: DatabaseFacts, minimum: int) -> Finding:
    major, minor = divmod(facts.version_num, 10000)
    return _judge(
        "database-version",
        major >= minimum,
        f"PostgreSQL {major}.{minor}",
        f"{minimum} or newer",
        "Upgrade the database server, or choose an older release of Mattermost.",
    )


def _encoding(facts: DatabaseFacts) -> Finding:
    remedy = "Create the database with ENCODING 'UTF8' TEMPLATE template0; it cannot be changed."
    return _judge("database-encoding", facts.encoding == "UTF8", facts.encoding, "UTF8", remedy)


def _collation(facts: DatabaseFacts) -> Finding:
    right = facts.collation.lower().replace("-", "") == LOCALE.lower().replace("-", "")
    return Finding(
        "database-collation",
        "ok" if right else "warning",
        facts.collation,
        LOCALE,
        "" if right else "Names sort otherwise than documented; only a new database changes that.",
    )


def _privileges(facts: DatabaseFacts) -> Finding:
    owner = "owns the database" if facts.owns_database else "does not own the database"
    creates = "may create" if facts.creates else "may not create"
    return _judge(
        "database-privileges",
        facts.creates,
        f"the role {owner} and {creates} in schema public",
        "a role that may create in schema public",
        "As a superuser, in that database: ALTER DATABASE … OWNER TO the role; "
        "ALTER SCHEMA public OWNER TO the role.",
    )


def _superuser(facts: DatabaseFacts) -> Finding:
    return _judge(
        "database-superuser",
        not facts.superuser,
        "a superuser" if facts.superuser else "a plain role",
        "a role that owns this database and nothing else",
        "Whoever takes over Mattermost would own the whole server: ALTER ROLE … NOSUPERUSER.",
    )


def _writable(facts: DatabaseFacts) -> Finding:
    return _judge(
        "database-writable",
        not facts.in_recovery,
        "a replica" if facts.in_recovery else "a primary",
        "the primary",
        "Name the address of the primary, or one that follows it.",
    )


def _tls(facts: DatabaseFacts) -> Finding:
    # Without TLS only loopback passes dsn_mistakes, and there it is enough.
    right = facts.sslmode in {"verify-full", "disable"}
    return Finding(
        "database-tls",
        "ok" if right else "warning",
        f"sslmode={facts.sslmode}",
        "sslmode=verify-full",
        "" if right else "Anybody between the hosts could pose as the database: use verify-full.",
    )


def _connections(facts: DatabaseFacts, pool: int) -> Finding:
    limits = [facts.connections, facts.role_limit, facts.database_limit]
    available = min(limit for limit in limits if limit >= 0)
    return _judge(
        "database-connections",
        pool <= available,
        f"{available} connections for this role",
        f"{pool}, the pools of all application hosts",
        "Raise max_connections (or the role's limit), or lower SqlSettings.MaxOpenConns.",
    )


def _judge(name: str, right: bool, found: str, needed: str, remedy: str) -> Finding:
    return Finding(name, "ok" if right else "error", found, needed, "" if right else remedy)
