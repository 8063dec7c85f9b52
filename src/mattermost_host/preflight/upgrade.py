"""Checks before an upgrade: whether it may begin, and which way back it will have.

The release, PostgreSQL's version and the distribution are checked in every run.
"""

from collections.abc import Iterator

from pyinfra import host
from rich.console import Console

from mattermost_host.engine.questions import answers_of
from mattermost_host.facts.host import HostFacts
from mattermost_host.facts.place import installed_on
from mattermost_host.knowledge import releases, upgrade_paths
from mattermost_host.ops.release_state import UPGRADE
from mattermost_host.ops.upgrade_state import AskUpgrade, Found
from mattermost_host.preflight.finding import Finding, Verdict
from mattermost_host.preflight.report import PreflightError, Report
from mattermost_host.support.errors import OperatorError

RELEASE_MB = 2048
"""MB for a release: less than 1 GB unpacked, and its tarball meanwhile."""
SHARE_OF_DUMP = 2
"""Size of a dump as a part of its database: a third or less was observed; half, to be safe."""


MEANINGS = {
    "upgrade-journal": "No other upgrade is under way, or was cut off.",
    "upgrade-release": "There is a release to upgrade from, and the stated one is not older.",
    "upgrade-serving": "The server runs before its release is changed.",
    "upgrade-tools": "The programs that an upgrade needs are on the host.",
    "upgrade-room": "There is room for the release, a dump, and tables that are written anew.",
    "upgrade-way-back": "Which way back will be open.",
}


def refuse(*, local_database: bool, servers: int) -> None:
    """Raise OperatorError for a site that we can't upgrade."""
    if not local_database:
        raise OperatorError(
            "the database is not on the site's own host, so no restore point of it can be made "
            "here: make one where it is, and then run `mattermost-host apply`"
        )
    if servers > 1:
        raise OperatorError(
            f"the site has {servers} hosts with the server, and an upgrade moves one: nothing was "
            "changed"
        )


def advise(question: AskUpgrade, facts: HostFacts, version: str) -> None:
    """Show the findings before an upgrade to ``version`` of the host that is being prepared.

    Raises PreflightError if it must not begin.
    """
    found = answers_of(host, [question])
    if question not in found:
        raise OperatorError(f"{host.name} does not say what an upgrade needs to know")
    report = Report({host.name: tuple(judge(found[question], facts, version))})
    if report.errors:
        raise PreflightError(report)
    report.show(Console(stderr=True), verbose=True)


def judge(found: Found, facts: HostFacts, version: str) -> Iterator[Finding]:
    """The findings, one for each check."""
    before = installed_on(facts)
    yield _last(found, version)
    yield _release(before.version if before else None, version)
    yield _serving(found)
    yield _tools(found)
    yield _room(found)
    if before:
        yield _way_back(found, before.version, version)


def _last(found: Found, version: str) -> Finding:
    name, last = "upgrade-journal", found.journal
    if found.at_work:
        remedy = f"Wait until it has ended; {UPGRADE}/log says what it does."
        return Finding(name, "error", "an upgrade is under way on the host", "none", remedy)
    if not found.unfinished:
        return Finding(name, "ok", "no upgrade is unfinished")
    old, new, step = last.get("old", "?"), last.get("new", "?"), last["step"]
    cut = f"the upgrade from {old} to {new} was cut off at the step {step}"
    ways = "forward by this command again, back by `mattermost-host rollback`"
    if new.startswith(f"{version}-") or new == version:
        return Finding(name, "warning", cut, "", f"The ways from here: {ways}.")
    return Finding(name, "error", cut, "one upgrade at a time", f"End that one first: {ways}.")


def _release(before: str | None, version: str) -> Finding:
    name = "upgrade-release"
    if before is None:
        remedy = "Deploy the site first (`mattermost-host apply`)."
        return Finding(name, "error", "no release is on the host", "one to upgrade from", remedy)
    if releases.numbers(version) < releases.numbers(before):
        remedy = "`mattermost-host rollback` goes back to the release before the last upgrade."
        return Finding(name, "error", f"{version} is older than {before}", "a newer one", remedy)
    return Finding(name, "ok", f"from {before} to {version}")


def _serving(found: Found) -> Finding:
    if found.serving or found.unfinished:
        return Finding("upgrade-serving", "ok", "the server runs")
    remedy = "Repair it first (`mattermost-host apply`), so that a failure is the new release's."
    needed = "a site that serves before its release is changed"
    return Finding("upgrade-serving", "error", "the server does not run", needed, remedy)


def _tools(found: Found) -> Finding:
    if not found.missing:
        return Finding("upgrade-tools", "ok", "every program that is needed is there")
    names = ", ".join(found.missing)
    return Finding("upgrade-tools", "error", f"no {names}", names, f"Install {names} on the host.")


def _room(found: Found) -> Finding:
    name = "upgrade-room"
    if min(found.database_mb, found.free_mb, found.database_free_mb) < 0:
        needed = "the size of the database, and the room on its disks"
        return Finding(name, "error", "PostgreSQL or df does not answer", needed, "Repair that.")
    wanted = RELEASE_MB + found.database_mb // SHARE_OF_DUMP
    needed = (
        f"{wanted} MB in /opt/mattermost for the release and the restore point, and "
        f"{found.database_mb} MB where PostgreSQL's data is, for tables that are written anew"
    )
    has = f"{found.free_mb} and {found.database_free_mb} MB free"
    enough = found.free_mb >= wanted and found.database_free_mb >= found.database_mb
    remedy = "" if enough else "Make room, or give the file system more."
    return Finding(name, "ok" if enough else "error", has, needed, remedy)


def _way_back(found: Found, before: str, version: str) -> Finding:
    verdict: Verdict = "note"
    schema = f" (schema: {found.schema})" if found.schema else ""
    if upgrade_paths.runs_on_schema_of(before, version):
        way = f"{before} is known to run on the database that {version} has migrated"
        how = "the restore point is made before the stop, and the way back moves the link alone"
    else:
        way = f"whether {before} runs on the database of {version} is not known"
        how = (
            f"the restore point of {found.database_mb} MB is made while the server is stopped, and "
            "is restored if migrations were made; nobody's work is lost by that"
        )
    return Finding("upgrade-way-back", verdict, f"{way}{schema}: {how}")
