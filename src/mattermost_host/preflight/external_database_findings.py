"""What Mattermost needs of an external PostgreSQL: the facts, and a finding for each check."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pydantic import SecretStr
from pyinfra.api import Host

from mattermost_host.facts.host import HostFacts
from mattermost_host.knowledge.dsn import Dsn
from mattermost_host.knowledge.postgresql_sizing import Pool
from mattermost_host.knowledge.postgresql_versions import minimum_for
from mattermost_host.preflight.finding import Finding, Inquiry

LOCALE = "en_US.UTF-8"
DATABASE_CHECKS: Mapping[str, str] = {
    "database-connection": "The application host can log in to the external PostgreSQL.",
    "database-version": "Mattermost starts with the external PostgreSQL.",
    "database-encoding": "The external database has the encoding UTF8.",
    "database-collation": f"The external database sorts by {LOCALE}.",
    "database-privileges": "The role owns the external database, and may create tables in it.",
    "database-superuser": "The role is no superuser of the external PostgreSQL.",
    "database-writable": "The external PostgreSQL is not a read-only replica.",
    "database-tls": "The connection to the external PostgreSQL is encrypted and verified.",
    "database-connections": "The external PostgreSQL allows enough connections.",
}
"""All checks of an external database; if the first is skipped, nothing is asked."""


@dataclass(frozen=True)
class DatabaseFacts:
    """The facts of an external database and of our role in it."""

    version_num: int
    """As ``server_version_num``: 150018 is 15.18."""
    encoding: str
    collation: str
    owns_database: bool
    creates: bool
    """The role may create in schema public."""
    superuser: bool
    in_recovery: bool
    """It is a replica and can't be written to."""
    connections: int
    """Connections that a normal role may open, without regard to those in use."""
    role_limit: int
    """-1 is none."""
    database_limit: int
    """-1 is none."""
    sslmode: str = "disable"
    """How this connection was protected."""


def inquiries(
    dsn: Dsn,
    password: SecretStr | None,
    *,
    authorities: bytes | None,
    version_on: Callable[[HostFacts], str],
    pool: Pool,
) -> list[Inquiry]:
    """What an external server must be; asked from the application host, as the server will."""

    def ask(host: Host, facts: HostFacts) -> list[Finding]:
        # Only a site with an external database needs a driver.
        from mattermost_host.preflight.external_database import check_database  # noqa: PLC0415

        return check_database(
            host,
            dsn,
            password,
            authorities=authorities.decode() if authorities else None,
            minimum=minimum_for(version_on(facts)),
            pool=pool.connections,
        )

    return [Inquiry(DATABASE_CHECKS, ask)]


def findings(facts: DatabaseFacts, minimum: int, pool: int) -> list[Finding]:
    """The findings; ``external_database.check_database`` explains ``minimum`` and ``pool``."""
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
        ""
        if right
        else "Names are not sorted as the documentation expects; only a new database changes that.",
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
        "Whoever breaks into Mattermost would own the whole database server: ALTER ROLE … "
        "NOSUPERUSER.",
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
    # dsn_mistakes accepts a DSN without TLS for loopback only, where it is enough.
    right = facts.sslmode in {"verify-full", "disable"}
    return Finding(
        "database-tls",
        "ok" if right else "warning",
        f"sslmode={facts.sslmode}",
        "sslmode=verify-full",
        "" if right else "A man in the middle could pose as the database: use verify-full.",
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
