"""Whether the PostgreSQL that will run is offered there, and one that Mattermost starts with."""

from collections.abc import Callable, Iterator

from mattermost_host.facts.host import HostFacts
from mattermost_host.knowledge import postgresql_versions
from mattermost_host.preflight.finding import Finding, Requirement, Verdict
from mattermost_host.preflight.host import VersionOn


def version_suits(
    major: Callable[[HostFacts], int], version_on: VersionOn, stated: int | None = None
) -> Requirement:
    """The PostgreSQL that will run is one that the release of Mattermost starts with.

    ``stated``: the major version that the inventory wants of the distribution's own.
    """

    def check(facts: HostFacts) -> Iterator[Finding]:
        offered = facts.platform.postgresql_versions
        if stated and stated not in offered:
            yield _not_offered(stated, offered)
            return
        version = version_on(facts)
        needed = f"PostgreSQL {postgresql_versions.minimum_for(version)} or newer"
        found = major(facts)
        too_old = postgresql_versions.too_old(found, version)
        in_use = facts.managed or bool(facts.clusters)
        ended = postgresql_versions.out_of_support(found, in_use=in_use)
        verdict: Verdict = "error" if too_old else "warning" if ended else "ok"
        remedy = too_old or ended or ""
        yield Finding("postgresql-version", verdict, f"PostgreSQL {found}", needed, remedy)

    return Requirement("postgresql-version", check, "Mattermost starts with this PostgreSQL.")


def _not_offered(stated: int, offered: tuple[int, ...]) -> Finding:
    has = " or ".join(map(str, offered))
    return Finding(
        "postgresql-version",
        "error",
        f"postgres.version = {stated}, and the distribution has PostgreSQL {has}",
        "a version that the distribution has, or the PostgreSQL project's own packages",
        "Write pgdg = True beside the version in the inventory, or leave the version out.",
    )
