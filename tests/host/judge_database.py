"""Checks of PostgreSQL by its catalogues."""

from collections.abc import Mapping

from mattermost_host.knowledge import clusters
from tests.host.judge import Sentences, differs
from tests.host.questions_database import Cluster, Parameter

ONLY_LOGIN = "login"


def answers(cluster: Cluster) -> Sentences:
    """The host's superuser can log in over the socket."""
    if not cluster.answered:
        yield differs("PostgreSQL", "it answering on its socket", "no answer")


def peer(cluster: Cluster, name: str) -> Sentences:
    """The server's account logs in to its role by peer authentication, without a password."""
    if cluster.peer != name:
        found = f"role {cluster.peer}" if cluster.peer else "it refused"
        yield differs(f"log-in of the account {name} over the socket", f"role {name}", found)


def role(cluster: Cluster, name: str) -> Sentences:
    """The role may only log in."""
    if cluster.role != ONLY_LOGIN:
        found = "no such role" if cluster.role is None else cluster.role or "no attribute at all"
        yield differs(f"role {name}", "it with LOGIN and nothing else", found)


def database(cluster: Cluster, name: str, locale: str) -> Sentences:
    """Database and schema belong to the role, with encoding UTF-8 and a locale of it.

    One that was taken over keeps its locale, which no statement can change.
    """
    if cluster.database is None:
        yield differs(f"database {name}", "it there", "no such database")
        return
    for key, value in {"owner": name, "encoding": "UTF8"}.items():
        found = getattr(cluster.database, key)
        if found != value:
            yield differs(f"{key} of database {name}", value, found)
    for key in ("collation", "character_type"):
        found = getattr(cluster.database, key)
        if not _spelled(found).endswith(_spelled(".UTF-8")):
            wanted = f"{locale}, or another locale of UTF-8"
            yield differs(f"{key.replace('_', ' ')} of database {name}", wanted, found)
    if cluster.schema_owner != name:
        found = cluster.schema_owner or "no such schema"
        yield differs(f"owner of schema public in {name}", name, found)


def addresses(cluster: Cluster) -> Sentences:
    """The cluster listens on its socket only."""
    if cluster.listens_on:
        yield differs("listen_addresses of PostgreSQL", "none", cluster.listens_on)


def checksums(cluster: Cluster, layout: clusters.Cluster) -> Sentences:
    """Data checksums are on, if we created the cluster."""
    if layout.setup and not cluster.checksums:
        yield differs("data checksums of PostgreSQL", "on", "off")


def parameters(cluster: Cluster, wanted: Mapping[str, str]) -> Sentences:
    """Each of our parameters is in force, with its value from our file."""
    found = cluster.parameters or {}
    for name, value in wanted.items():
        now = found.get(name, Parameter("no line in our file", in_force=True))
        if now.value != _unquoted(value):
            yield differs(f"parameter {name}", value, now.value or "''")
        elif not now.in_force:
            yield differs(f"parameter {name}", f"{value} in force", now.why_not)
        elif name in cluster.pending_restart:
            yield differs(f"parameter {name}", f"{value} in force", "it waiting for a restart")


def _unquoted(value: str) -> str:
    return value[1:-1].replace("''", "'") if value.startswith("'") else value


def _spelled(value: str) -> str:
    """en_US.UTF-8 and en_US.utf8 are the same locale."""
    return value.replace("-", "").lower()
