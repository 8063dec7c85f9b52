"""Checks before an upgrade: whether it may begin, and which way back it will have.

The release, PostgreSQL's version and the distribution are checked in every run.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from pyinfra import host
from rich.console import Console

from mattermost_host.engine.questions import answers_of
from mattermost_host.facts.host import HostFacts
from mattermost_host.facts.place import installed_on
from mattermost_host.knowledge import releases, start_blockers, upgrade_notes, upgrade_paths
from mattermost_host.knowledge.mattermost_settings import OWNED
from mattermost_host.knowledge.upgrade_notes import Migration
from mattermost_host.ops.release_state import UPGRADE
from mattermost_host.ops.upgrade_state import AskUpgrade, Found
from mattermost_host.preflight.finding import Finding, Verdict
from mattermost_host.preflight.report import PreflightError, Report
from mattermost_host.support.errors import OperatorError

RELEASE_MB = 2048
"""MB for a release: less than 1 GB unpacked, and its tarball meanwhile."""
SHARE_OF_DUMP = 2
"""Size of a dump as a part of its database: a third or less was observed; half, to be safe."""


PATIENCE_OF_USERS_S = 60
"""Seconds that they wait without an error."""

MEANINGS = {
    "upgrade-journal": "No other upgrade is under way, or was cut off.",
    "upgrade-path": "Nothing is known against the stated release.",
    "upgrade-release": "There is a release to upgrade from, and the stated one is not older.",
    "upgrade-serving": "The server runs before its release is changed.",
    "upgrade-tools": "The programs that an upgrade needs are on the host.",
    "upgrade-room": "There is room for the release, a dump, and tables that are written anew.",
    "upgrade-settings": "The new release starts with the settings of the System Console.",
    "upgrade-edition": "The edition stays, or its change is said.",
    "upgrade-migrations": "What the new release does to the database, and how long that took.",
    "upgrade-notes": "What is different since the release on the host.",
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


@dataclass(frozen=True)
class To:
    """The release that is upgraded to, and what the inventory says of it."""

    version: str
    edition: str = ""
    """Empty if a file is stated."""
    settings: Mapping[str, object] = field(default_factory=dict)
    """The stated settings, which take precedence over the System Console's."""


def advise(question: AskUpgrade, facts: HostFacts, to: To) -> None:
    """Show the findings before an upgrade to ``version`` of the host that is being prepared.

    Raises PreflightError if it must not begin.
    """
    found = answers_of(host, [question])
    if question not in found:
        raise OperatorError(f"{host.name} does not say what an upgrade needs to know")
    report = Report({host.name: tuple(judge(found[question], facts, to))})
    if report.errors:
        raise PreflightError(report)
    report.show(Console(stderr=True), verbose=True)


def judge(found: Found, facts: HostFacts, to: To) -> Iterator[Finding]:
    """The findings, one for each check."""
    before, version = installed_on(facts), to.version
    yield _last(found, version)
    yield _release(before.version if before else None, version)
    yield _serving(found)
    yield _tools(found)
    yield _room(found, upgrade_notes.migrations(before.version, version) if before else [])
    if before:
        yield _avoided(before.version, version)
        yield from _settings(found, to)
        yield _edition(found, to)
        yield _migrations(found, before.version, version)
        yield from _notes(before.version, version)
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


def _room(found: Found, migrations: Sequence[Migration]) -> Finding:
    name = "upgrade-room"
    if min(found.database_mb, found.free_mb, found.database_free_mb) < 0:
        needed = "the size of the database, and the room on its disks"
        return Finding(name, "error", "PostgreSQL or df does not answer", needed, "Repair that.")
    wanted = RELEASE_MB + found.database_mb // SHARE_OF_DUMP
    # A table that is written anew is there twice, and once more in the write-ahead log.
    rewrites = any(one.rewrites for one in migrations)
    anew = 2 * found.largest_mb if rewrites else 0
    why = f", {anew} MB for {found.largest} and its log, which is written anew" if anew else ""
    needed = (
        f"{wanted} MB in /opt/mattermost for the release and the restore point, and where "
        f"PostgreSQL's data is {found.database_mb} MB for a database that is restored{why}"
    )
    has = f"{found.free_mb} and {found.database_free_mb} MB free"
    enough = found.free_mb >= wanted and found.database_free_mb >= found.database_mb + anew
    remedy = "" if enough else "Make room, or give the file system more."
    return Finding(name, "ok" if enough else "error", has, needed, remedy)


def _avoided(before: str, version: str) -> Finding:
    name, reason = "upgrade-path", upgrade_notes.AVOIDED.get(version)
    if reason is None:
        return Finding(name, "ok", f"nothing is known against {version} after {before}")
    needed = "a release that nothing is known against"
    return Finding(name, "error", f"{version}: {reason}", needed, "State a newer release.")


def _settings(found: Found, to: To) -> Iterator[Finding]:
    """Those of the inventory are judged by the checks of every run."""
    name, console = "upgrade-settings", {}
    for key, text in found.settings.items():
        with suppress(ValueError):
            console[key] = json.loads(text)
    values = {**console, **to.settings}
    wrong = [
        (setting, needed)
        for setting, needed in start_blockers.blockers(values, to.version)
        if setting in console and setting not in to.settings and setting not in OWNED
    ]
    for setting, needed in wrong:
        here = f"{setting} is {found.settings[setting]} in the System Console"
        remedy = f"In the System Console, or with mmctl before the upgrade: {needed}."
        yield Finding(name, "error", here, f"settings that {to.version} starts with", remedy)
    if not wrong:
        yield Finding(name, "ok", f"nothing in config.json that keeps {to.version} from starting")


def _edition(found: Found, to: To) -> Finding:
    name = "upgrade-edition"
    if not (found.edition and to.edition) or found.edition == to.edition:
        return Finding(name, "ok", found.edition or "the edition is not known")
    change = f"from the {found.edition} edition to the {to.edition} edition"
    if to.edition == "enterprise":
        free = "without a licence it is free, and what it does more is switched off"
        return Finding(name, "note", f"{change}: {free}")
    remedy = (
        "What needs a licence ends, groups and roles among it. Write edition = 'enterprise' into "
        "mattermost.release, unless you mean it."
    )
    return Finding(name, "warning", change, "", remedy)


def _migrations(found: Found, before: str, version: str) -> Finding:
    name, known = "upgrade-migrations", upgrade_notes.migrations(before, version)
    if not known:
        same = releases.line(before) == releases.line(version)
        usual = "a release of the same line, as a rule without one" if same else "none is known"
        return Finding(name, "ok", usual)
    each = "; ".join(one.text for one in known)
    if found.posts < 0:
        return Finding(name, "note", f"{each}. PostgreSQL has not counted the posts yet")
    seconds = sum(one.seconds for one in known) * found.posts / 1e6
    estimate = f"about {max(1, round(seconds))} s for about {found.posts:,} posts, by what was seen"
    verdict: Verdict = "warning" if seconds > PATIENCE_OF_USERS_S else "note"
    remedy = (
        f"Users wait for {PATIENCE_OF_USERS_S} s and then read a page of maintenance: tell them."
        if verdict == "warning"
        else ""
    )
    return Finding(name, verdict, f"{each}; {estimate}", "", remedy)


def _notes(before: str, version: str) -> Iterator[Finding]:
    for note in upgrade_notes.between(before, version):
        yield Finding("upgrade-notes", "note", f"since {note.line}: {note.text}")


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
        if upgrade_paths.saves_plan(before, version):
            how = (
                f"{version} saves a plan of its migrations before the stop, by which {before} "
                f"takes them back, also when users have written; if that fails, {how}"
            )
    return Finding("upgrade-way-back", verdict, f"{way}{schema}: {how}")
