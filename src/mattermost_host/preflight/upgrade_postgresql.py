"""Whether the site's database may be moved to another PostgreSQL: named checks."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from pyinfra import host
from rich.console import Console

from mattermost_host.engine.batch import Question
from mattermost_host.engine.questions import answers_of
from mattermost_host.facts.database import Move, last_move
from mattermost_host.facts.host import HostFacts
from mattermost_host.knowledge.postgresql_versions import END_OF_LIFE
from mattermost_host.ops.pgbackrest_state import Repository
from mattermost_host.ops.postgresql_move import Target
from mattermost_host.ops.postgresql_move_state import FOLDER, AskMove, Found
from mattermost_host.preflight.finding import Finding
from mattermost_host.preflight.report import PreflightError, Report
from mattermost_host.support.errors import OperatorError

ROOM_MB = 1024
"""Beside a copy of the data: a new cluster's own files and log, and the packages."""

MEANINGS = {
    "move-journal": "No other move is under way; one that was cut off is gone on with.",
    "move-target": "The newer PostgreSQL can be installed, and there is no cluster of it.",
    "move-serving": "The site serves before its database is moved.",
    "move-tools": "The programs that a move needs are on the host.",
    "move-room": "There is room for a copy of the data.",
    "move-extensions": "Each extension in use is there for the newer PostgreSQL, too.",
    "move-connections": "Nobody else is connected, and nothing waits that a move would lose.",
    "move-collation": "Whether the indexes are to be built anew meanwhile.",
    "move-backups": "The repository of backups can take the newer PostgreSQL.",
    "move-way-back": "Which way back will be open.",
}


def refuse(
    *,
    local_database: bool,
    side_by_side: bool,
    clusters: tuple[tuple[str, str, int], ...],
    roles: tuple[str, ...],
    hosts: int,
) -> None:
    """Raise OperatorError for a site whose database is not ours to move.

    ``side_by_side``: its packages leave room for another version.
    """
    there = ", ".join(f"PostgreSQL {version} in {place}" for version, place, _ in clusters)
    if not local_database:
        raise OperatorError(
            "the database is not on the site's own host: move it to another PostgreSQL where it is"
        )
    if not side_by_side:
        raise OperatorError(
            f"the database is {there or 'no PostgreSQL yet'} of the distribution, which has one "
            "version installed at a time on Enterprise Linux, so this command does not move it: "
            "take it to the other version by a dump, as docs/operations.md says (Move to another "
            "PostgreSQL). Only versions of the PostgreSQL project (postgres.pgdg) stand side by "
            "side there"
        )
    if hosts > 1 or not {"app", "db", "proxy"} <= set(roles):
        raise OperatorError(
            "the site has several hosts, and this command moves the database of one"
        )


def advise(target: Target, facts: HostFacts) -> None:
    """Show what is found before a move on the host that is being prepared.

    Raises PreflightError where it may not begin.
    """
    question, backups = target.question, target.backups
    asked: list[Question[Any]] = [question, *([backups.question] if backups else [])]
    found = answers_of(host, asked)
    if question not in found:
        raise OperatorError(f"{host.name} does not say what a move of the database needs to know")
    repository = found.get(backups.question) if backups else None
    of_host = found[question]
    if target.pgdg:
        of_host = replace(of_host, offered=True)  # the deploy makes the repository known first
    findings = judge(of_host, question, facts, repository, backups=backups is not None)
    report = Report({host.name: tuple(findings)})
    if report.errors:
        raise PreflightError(report)
    report.show(Console(stderr=True), verbose=True)


def judge(
    found: Found,
    question: AskMove,
    facts: HostFacts,
    repository: Repository | None = None,
    *,
    backups: bool = False,
) -> Iterator[Finding]:
    """The findings, one for each check."""
    move = last_move(facts)
    unfinished = move is not None and move.unfinished
    yield _journal(found, move)
    yield _serving(found, unfinished=unfinished)
    yield _tools(found)
    if move and move.switched and unfinished:
        return  # it goes on
    if not unfinished:
        yield _target(found, question)
    yield _room(found, question.room)
    if unfinished:
        return  # PostgreSQL may not run, which the rest is asked of
    yield _extensions(found, question)
    yield _connections(found)
    yield _collation(found)
    if backups:
        yield _backups(repository)
    yield _way_back(question)


def _journal(found: Found, move: Move | None) -> Finding:
    name = "move-journal"
    if found.at_work:
        remedy = f"Wait until it has ended; {FOLDER}/log says what it does."
        return Finding(name, "error", "a move is under way on the host", "none", remedy)
    if move is None or not move.unfinished:
        return Finding(name, "ok", "no move is unfinished")
    cut = f"the move from PostgreSQL {move.old} to {move.new} was cut off at the step {move.step}"
    onward = "what there is of the other is removed first, and the move begins anew"
    if move.switched:
        onward = "it goes on from there, and goes back only if nobody has written to it"
    has = move.new if move.switched else move.old
    return Finding(name, "warning", cut, "", f"PostgreSQL {has} has the data: {onward}.")


def _target(found: Found, question: AskMove) -> Finding:
    name, new = "move-target", question.new
    if found.new_cluster:
        return Finding(
            name,
            "error",
            f"there is a cluster {question.after.in_words} that is not the site's",
            f"none of PostgreSQL {new}",
            f"Move away what it holds, or remove it (`{question.after.removal}`).",
        )
    if not found.offered:
        remedy = "Run `apt-get update` on the host; postgres.pgdg = True takes the project's own."
        found_no = f"apt has no {question.after.packages[0]}"
        return Finding(name, "error", found_no, "the package", remedy)
    ends = END_OF_LIFE[new]
    return Finding(name, "ok", f"PostgreSQL {question.old} to {new}, supported until {ends}")


def _serving(found: Found, *, unfinished: bool) -> Finding:
    if unfinished or (found.serving and found.answered):
        return Finding("move-serving", "ok", "server and database are at work")
    what = "the server" if found.answered else "PostgreSQL"
    remedy = "Repair it first (`mattermost-host apply`), so that a failure is the newer one's."
    needed = "a site that serves before its database is moved"
    return Finding("move-serving", "error", f"{what} does not run", needed, remedy)


def _tools(found: Found) -> Finding:
    if not found.missing:
        return Finding("move-tools", "ok", "every program that is needed is there")
    names = ", ".join(found.missing)
    return Finding("move-tools", "error", f"no {names}", names, f"Install {names} on the host.")


def _room(found: Found, place: str) -> Finding:
    name, wanted = "move-room", {found.disk: found.data_mb + ROOM_MB}
    free = {found.disk: found.free_mb} | {one.disk: one.free_mb for one in found.spaces}
    if min(found.data_mb, *free.values(), *(one.mb for one in found.spaces)) < 0:
        needed = "the size of the cluster, and the room on its disk"
        return Finding(name, "error", "du or df does not answer", needed, "Repair that.")
    for one in found.spaces:  # their copies are beside them
        wanted[one.disk] = wanted.get(one.disk, 0) + one.mb
    short = [disk for disk in wanted if free[disk] < wanted[disk]]
    disk = short[0] if short else found.disk
    place = place if disk == found.disk else disk
    needed = f"{wanted[disk]} MB in {place}: the data is copied, so that the old stays whole"
    remedy = "Make room, or give the file system more; nothing was touched." if short else ""
    return Finding(name, "error" if short else "ok", f"{free[disk]} MB free", needed, remedy)


def _extensions(found: Found, question: AskMove) -> Finding:
    if not found.unpackaged:
        return Finding("move-extensions", "ok", "all come with PostgreSQL itself")
    return Finding(
        "move-extensions",
        "error",
        f"not there for PostgreSQL {question.new}: {', '.join(found.unpackaged)}",
        "each extension in use, for the newer one",
        f"Install its package for {question.new}, or drop it (DROP EXTENSION) if nothing needs it.",
    )


def _connections(found: Found) -> Finding:
    name, wrong = "move-connections", []
    if found.prepared:
        wrong.append(f"{found.prepared} prepared transactions, which pg_upgrade refuses")
    if found.slots:
        wrong.append(f"replication slots, which would be lost: {', '.join(found.slots)}")
    if wrong:
        remedy = "End them first (COMMIT or ROLLBACK PREPARED, pg_drop_replication_slot)."
        return Finding(name, "error", "; ".join(wrong), "none", remedy)
    if found.sessions:
        who = f"others are connected: {', '.join(found.sessions)}"
        return Finding(
            name, "warning", who, "", "They are cut off, and may connect again after it."
        )
    return Finding(name, "ok", "nobody but the server is connected")


def _collation(found: Found) -> Finding:
    built, now = found.collation
    if built == now:
        return Finding("move-collation", "ok", "the indexes are sorted by this host's C library")
    return Finding(
        "move-collation",
        "warning",
        f"the indexes are sorted by the C library {built}, and this host has {now}",
        "no indexes to be built anew while users wait",
        "`mattermost-host apply` builds them anew first, while users work; otherwise they wait.",
    )


def _backups(repository: Repository | None) -> Finding:
    if repository is None or repository.wrong:
        said = repository.wrong if repository else "does not answer"
        remedy = "Repair it first (`mattermost-host apply`): a full backup belongs to a move."
        needed = "a repository that takes backups"
        return Finding("move-backups", "error", f"the repository {said}", needed, remedy)
    return Finding("move-backups", "ok", "the repository goes along, and a full backup follows")


def _way_back(question: AskMove) -> Finding:
    return Finding(
        "move-way-back",
        "note",
        f"PostgreSQL {question.old} stays as it was, stopped; until somebody writes to "
        f"{question.new}, `mattermost-host upgrade-postgresql --back` returns to it, and a failure "
        f"does so by itself. Later, remove it: {question.before.removal}",
    )
