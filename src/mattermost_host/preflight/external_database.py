"""Checks of an external PostgreSQL, made from the application host before any change.

The connection, its TLS and its name are verified as the server's driver (lib/pq) does it.
"""

import socket
import ssl

from pg8000.exceptions import DatabaseError, InterfaceError
from pg8000.native import Connection
from pydantic import SecretStr
from pyinfra.api import Host

from mattermost_host.engine.questions import answers_of
from mattermost_host.engine.tunnel import TunnelError, connection_from
from mattermost_host.facts.file_text import FileText
from mattermost_host.knowledge.dsn import Dsn
from mattermost_host.preflight.external_database_findings import DatabaseFacts, findings
from mattermost_host.preflight.finding import Finding

SYSTEM_AUTHORITIES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
)
"""Files with the CA certificates that Go trusts, on Debian and Enterprise Linux."""
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
"""SQLSTATE of a refused log-in -> what to do."""


class DatabaseUnavailable(Exception):
    """The database can't be asked; ``finding`` has the reason and the remedy."""

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

    ``authorities`` are the certificates (PEM) that the run will write to the DSN's ``sslrootcert``;
    None: those that the host has. ``minimum`` is the release's lowest PostgreSQL major version,
    ``pool`` the number of connections that all application hosts may open together.
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
    """Log in as the server will, and read the facts. Raises DatabaseUnavailable."""
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


def _ask(
    dsn: Dsn, password: SecretStr | None, context: ssl.SSLContext | None, sock: socket.socket
) -> DatabaseFacts:
    connection = Connection(
        dsn.user,
        host=dsn.host,  # only the name that TLS verifies; the connection is ``sock``
        database=dsn.database,
        # pg8000 crashes if it has no password to send; an empty one is refused with a message.
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
    """The driver verifies the authority in mode require, too, if one is named."""
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
    # As Go does: all certificates in the file are trusted, intermediates, too.
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
    places = [FileText(path) for path in ((named,) if named else SYSTEM_AUTHORITIES)]
    answers = answers_of(host, places)
    for place in places:
        if text := answers.get(place):
            return str(text)
    raise DatabaseUnavailable(
        f"no file {named} on {host.name}" if named else f"no authorities on {host.name}",
        "Put the authority's certificate there, or name it in the inventory.",
    )
