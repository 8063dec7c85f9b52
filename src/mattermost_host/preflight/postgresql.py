"""Which PostgreSQL runs, whether Mattermost starts with it, and whether it is to be moved."""

from collections.abc import Callable, Iterator, Sequence

from mattermost_host.facts.database import DONE, last_move, own_major
from mattermost_host.facts.host import HostFacts
from mattermost_host.knowledge import postgresql_versions
from mattermost_host.knowledge.clusters import Cluster
from mattermost_host.ops import unfinished
from mattermost_host.preflight.finding import Finding, Requirement, Verdict
from mattermost_host.preflight.host import VersionOn

MOVE = "postgresql-move"
FOLDERS = "postgresql-folders"
COMMAND = "`mattermost-host upgrade-postgresql`"


def version_suits(
    major: Callable[[HostFacts], int], version_on: VersionOn, stated: int | None = None
) -> Requirement:
    """The PostgreSQL that will run is one that Mattermost's release starts with.

    ``stated``: the major version that the inventory wants from the distribution.
    """

    def check(facts: HostFacts) -> Iterator[Finding]:
        offered = facts.platform.postgresql_versions
        if stated and stated not in (*offered, own_major(facts)):
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


def in_its_place(newest: Callable[[HostFacts], int], *, pgdg: bool, stated: bool) -> Requirement:
    """The site's PostgreSQL is the one that the inventory and the system lead to; no run moves it.

    ``newest``: the major version that a first deploy would take; ``stated``: the inventory names
    it.
    """

    def check(facts: HostFacts) -> Iterator[Finding]:
        own, wanted, move = own_major(facts), newest(facts), last_move(facts)
        if move and move.unfinished:
            yield _cut_off(facts)
        elif own is None or own == wanted:
            yield Finding(MOVE, "ok", _kept(facts) or "nothing is to be moved")
        elif own > wanted:
            yield _newer(facts, own, wanted)
        else:
            yield _older(facts, own, wanted, stated=stated, pgdg=pgdg)

    meaning = "The site's PostgreSQL is the one that inventory and system lead to; no run moves it."
    return Requirement(MOVE, check, meaning)


def _cut_off(facts: HostFacts) -> Finding:
    (one,) = (one for one in unfinished.on(facts) if one.kind == unfinished.DATABASE)
    return Finding(MOVE, "error", str(one), "a database that is in one place", one.kind.remedy)


def _kept(facts: HostFacts) -> str:
    move = last_move(facts)
    if not move or move.step != DONE:
        return ""
    before = facts.family.cluster_of_pgdg(move.old)
    there = [(version, cluster) for version, cluster, _ in facts.clusters]
    if before.name not in there:
        return ""
    return (
        f"PostgreSQL {move.new}; {before.in_words}, from before the move, is kept and stopped "
        f"(`{before.removal}` removes it)"
    )


def data_is_writable(
    cluster: Callable[[HostFacts], Cluster], folders: Sequence[str]
) -> Requirement:
    """Data, WAL and tablespaces are in the usual data folder or in ``folders``: elsewhere the
    sandbox of PostgreSQL lets it only read."""

    def check(facts: HostFacts) -> Iterator[Finding]:
        data = cluster(facts).data
        led = {there for link, there in facts.database_links if is_below(link, [data])}
        outside = sorted(one for one in led if not is_below(one, [data, *folders]))
        if not outside:
            yield Finding(FOLDERS, "ok", ", ".join(sorted(led | {data})))
            return
        stated = ", ".join(f"'{one}'" for one in (*folders, *outside))
        yield Finding(
            FOLDERS,
            "error",
            f"PostgreSQL has data in {', '.join(outside)}, where its sandbox lets it only read",
            "data in folders that the inventory names",
            f"Write postgres = {{'folders': [{stated}]}} into the inventory.",
        )

    meaning = "Data, tablespaces and WAL are where PostgreSQL's sandbox lets it write."
    return Requirement(FOLDERS, check, meaning)


def is_below(path: str, folders: Sequence[str]) -> bool:
    """Whether ``path`` is one of the folders or in one of them."""
    return any(path == folder or path.startswith(f"{folder}/") for folder in folders)


def _newer(facts: HostFacts, own: int, wanted: int) -> Finding:
    by_distribution = own in facts.platform.postgresql_versions
    stated = f"'version': {own}" + ("" if by_distribution else ", 'pgdg': True")
    return Finding(
        MOVE,
        "error",
        f"the site's PostgreSQL is {own}, and the inventory leads to {wanted}",
        "a version that is not older: no data goes back to one",
        f"Write postgres = {{{stated}}} into the inventory: it is what the site was set up with.",
    )


def _older(facts: HostFacts, own: int, wanted: int, *, stated: bool, pgdg: bool) -> Finding:
    if stated:
        return Finding(
            MOVE,
            "error",
            f"the site's PostgreSQL is {own}, and the inventory states {wanted}",
            "the two to be the same: a deploy moves no data to another PostgreSQL",
            f"Run {COMMAND}, which moves it, or state {own} until it suits.",
        )
    source = "the PostgreSQL project" if pgdg else f"{facts.platform.name} {facts.release}"
    return Finding(
        MOVE,
        "warning",
        f"the site's PostgreSQL is {own}, and {source} has {wanted} here",
        f"PostgreSQL {wanted}, which gets the repairs" if not pgdg else f"PostgreSQL {wanted}",
        f"The site goes on with {own}, and no deploy moves it. When it suits, {COMMAND} does.",
    )
