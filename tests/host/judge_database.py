"""Judges what the catalogues of PostgreSQL said."""

from collections.abc import Mapping

from mattermost_host.knowledge import families
from tests.host.judge import Sentences, differs
from tests.host.questions_database import Cluster, DatabaseRow, Parameter

ONLY_LOGIN = "login"


def answers(cluster: Cluster) -> Sentences:
    """The superuser of the host is let in over the socket."""
    if not cluster.answered:
        yield differs("PostgreSQL", "it answering on its socket", "no answer")


def peer(cluster: Cluster, name: str) -> Sentences:
    """The server's account is its role by word of the kernel, without a password."""
    if cluster.peer != name:
        found = f"role {cluster.peer}" if cluster.peer else "it refused"
        yield differs(f"log-in of the account {name} over the socket", f"role {name}", found)


def role(cluster: Cluster, name: str) -> Sentences:
    """The role may log in, and nothing else."""
    if cluster.role != ONLY_LOGIN:
        found = "no such role" if cluster.role is None else cluster.role or "no attribute at all"
        yield differs(f"role {name}", "it with LOGIN and nothing else", found)


def database(cluster: Cluster, name: str, locale: str) -> Sentences:
    """The database and its schema are the role's, in UTF-8 and sorted as documented."""
    wanted = DatabaseRow(owner=name, encoding="UTF8", collation=locale, character_type=locale)
    if cluster.database is None:
        yield differs(f"database {name}", "it there", "no such database")
        return
    for key, value in vars(wanted).items():
        found = getattr(cluster.database, key)
        if _spelled(found) != _spelled(value):
            yield differs(f"{key.replace('_', ' ')} of database {name}", value, found)
    if cluster.schema_owner != name:
        found = cluster.schema_owner or "no such schema"
        yield differs(f"owner of schema public in {name}", name, found)


def addresses(cluster: Cluster) -> Sentences:
    """The cluster is reached by its socket only."""
    if cluster.listens_on:
        yield differs("listen_addresses of PostgreSQL", "none", cluster.listens_on)


def checksums(cluster: Cluster, layout: families.Cluster) -> Sentences:
    """A page that the disk spoilt is noticed, where the cluster was made by us."""
    if layout.setup and not cluster.checksums:
        yield differs("data checksums of PostgreSQL", "on", "off")


def parameters(cluster: Cluster, wanted: Mapping[str, str]) -> Sentences:
    """Each of our parameters has its value, from our file, in force now."""
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
    """en_US.UTF-8 and en_US.utf8 are one locale."""
    return value.replace("-", "").lower()
