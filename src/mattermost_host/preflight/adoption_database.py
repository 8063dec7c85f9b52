"""What is wrong with the database of a server that somebody else installed, and what to do."""

from collections.abc import Iterator

from mattermost_host.facts.host import HostFacts
from mattermost_host.knowledge.clusters import Cluster
from mattermost_host.knowledge.foreign_dsn import Source, source_of
from mattermost_host.knowledge.postgresql_versions import NEWEST, OLDEST
from mattermost_host.ops.foreign import Foreign
from mattermost_host.ops.foreign_data import Data

PORT = 5432
"""Of PostgreSQL's first cluster."""
REPLICAS = ("Replicas", "SearchReplicas")
CREATE_ANEW = (
    "Move it by a dump to a database created WITH TEMPLATE template0 ENCODING 'UTF8' and a locale "
    "of UTF-8, in the same cluster; then adopt the server."
)


def wrong(
    facts: HostFacts, foreign: Foreign, source: Source, data: Data
) -> Iterator[tuple[str, str]]:
    """What keeps a local database that answers from being taken over, and the remedy."""
    if any(foreign.setting(f"SqlSettings.DataSource{name}") for name in REPLICAS):
        yield (
            "it has replicas (SqlSettings.DataSourceReplicas)",
            "A site on one host reads from its own database: take them out of config.json first.",
        )
    if source.port != PORT or len(facts.clusters) != 1:
        yield (
            "it is not in the host's only cluster, at port 5432",
            "Move other clusters off the host, or this database to that one, by a dump.",
        )
    if data.encoding != "UTF8":
        yield f"its encoding is {data.encoding}, and the server needs UTF8", CREATE_ANEW
    if not data.collation.replace("-", "").lower().endswith(".utf8"):
        yield f"it is sorted by {data.collation}, which is no locale of UTF-8", CREATE_ANEW
    stored = source_of(foreign.config_source, facts.addresses, foreign.user)
    if foreign.config_source and stored.database != source.database:
        yield (
            f"its configuration is in another database, {stored.database}",
            f"Move it to {source.database} (`mattermost config migrate`), and MM_CONFIG with it.",
        )
    yield from _of_no_deploy(facts, data)
    if data.superuser:
        found = f"its role {source.role} is a superuser"
        yield found, f"ALTER ROLE {source.role} NOSUPERUSER takes that from it."
    if others := sorted({*data.databases} - {source.database}):
        yield (
            f"its cluster has other databases, which nobody would reach: {', '.join(others)}",
            "Move them to another host, or drop those that nobody needs.",
        )


def _of_no_deploy(facts: HostFacts, data: Data) -> Iterator[tuple[str, str]]:
    """Clusters that no deploy keeps where they are."""
    for version, name, _ in facts.clusters:
        found = kept(facts, version, name)
        if found is not None:
            yield from _elsewhere(found[0], data)
        elif facts.family.package_manager == "apt":
            yield (
                f"it is in the cluster {version}/{name}, and a deploy keeps one that is named main",
                f"Rename it with `pg_renamecluster {version} {name} main`, which restarts it.",
            )
        else:
            offered = facts.platform.postgresql_versions
            yield (
                f"it is PostgreSQL {version} in {name}, and a deploy keeps the distribution's "
                f"{' or '.join(map(str, offered))} in {facts.family.cluster(offered[0]).data}, or "
                f"one of the PostgreSQL project, {OLDEST} to {NEWEST}, in its package's folder",
                "Move its data by a dump to one of these, with the same role and database; then "
                "adopt the server.",
            )


def _elsewhere(layout: Cluster, data: Data) -> Iterator[tuple[str, str]]:
    """What an administrator has moved from where the packages have it."""
    for what, there, usual in (
        ("data", data.data_folder, layout.data),
        ("access rules", data.access, access_of(layout)),
    ):
        if there not in ("", usual):
            yield (
                f"its {what} are in {there}, and a deploy looks for them in {usual}",
                "Move them there, with PostgreSQL stopped, and start it; then adopt the server.",
            )


def access_of(layout: Cluster) -> str:
    """The access rules that it reads before a deploy: with ``setup`` those in its data folder."""
    return f"{layout.data if layout.setup else layout.settings}/pg_hba.conf"


def kept(facts: HostFacts, version: str, name: str) -> tuple[Cluster, bool] | None:
    """The layout of a cluster that stays, and whether it is of the PostgreSQL project.

    On Debian and Ubuntu both have the same.
    """
    if not version.isdecimal():
        return None
    major, family = int(version), facts.family
    by_apt = family.package_manager == "apt"
    ways = (
        (family.cluster(major), False, by_apt or major in facts.platform.postgresql_versions),
        (family.cluster_of_pgdg(major), True, OLDEST <= major <= NEWEST),
    )
    return next(
        ((one, pgdg) for one, pgdg, offered in ways if offered and one.name == (version, name)),
        None,
    )
