"""Role, database and schema in a local PostgreSQL, and its parameters: converging SQL.

Only what differs becomes a statement. Statements travel by standard input.
"""

import shlex
from collections.abc import Generator, Iterator

from pyinfra import host
from pyinfra.api import StringCommand, operation
from pyinfra.api.operation import OperationMeta

from mattermost_host.engine.connections import is_executing
from mattermost_host.engine.explanations import Change, explain
from mattermost_host.engine.questions import ask, changing, expect
from mattermost_host.ops.database_state import ONLY_LOGIN, AskDatabase, DatabaseState


def present(name: str, question: AskDatabase, locale: str, unit: str) -> OperationMeta:
    """Keep a role that may only log in, its database, and the parameters of our file in force."""
    expect(question)
    return _present(name=name, question=question, locale=locale, unit=unit)


@operation()
def _present(question: AskDatabase, locale: str, unit: str) -> Generator[StringCommand, None, None]:
    now: DatabaseState = ask(question)
    if now.locale_refused:
        found = f"started without the locale {locale}, and its databases can't be opened"
        explain(Change(unit, found, "restart", "critical"))
        yield from changing(StringCommand(f"systemctl restart {unit}"))
        if not is_executing():
            return
        now = ask(question)
    if found := _never(question, now):
        explain(Change(f"the database {question.name}", found, severity="critical"))
        refused = f"the database {question.name} {found}"
        yield StringCommand(f"echo {shlex.quote(refused)} >&2; exit 1")
        return
    steps = list(_steps(question, now, locale, unit))
    explain(*_explained(question, now, unit))
    if not steps:
        host.noop("role, database and parameters are as described")
        return
    yield from changing(*steps)


def _steps(
    question: AskDatabase, now: DatabaseState, locale: str, unit: str
) -> Iterator[StringCommand]:
    for database, statements in (
        ("postgres", list(_general(question, now, locale))),
        (question.name, list(_inside(question, now))),
    ):
        if statements:
            command = f"{question.client.command()} -d {database} -f -"
            yield StringCommand(command, _stdin=statements)
    if now.pending_restart or now.need_restart:
        yield StringCommand(f"systemctl restart {unit}")
    elif now.overridden or now.not_in_force:
        yield StringCommand(f"systemctl reload {unit}")


def _explained(question: AskDatabase, now: DatabaseState, unit: str) -> Iterator[Change]:
    name = question.name
    if now.role != ONLY_LOGIN:
        found = "is missing" if now.role is None else "has other rights than to log in"
        yield Change(f"the role {name}", found, severity="critical")
    if now.owner != name:
        found = "is missing" if now.owner is None else f"belongs to {now.owner}"
        yield Change(f"the database {name}", found)
    if now.schema_owner != name:
        yield Change("the schema public", f"belongs to {now.schema_owner or 'nobody yet'}")
    if _sorts_otherwise(now):
        built, library = now.collation
        yield Change(
            f"the database {name}",
            f"is sorted by the C library {built}, and this host has {library}: its indexes may "
            "miss rows, and are to be built anew (REINDEX), which takes long on a large site",
            heals=False,
        )
    for parameter in now.overridden:
        yield Change(f"the parameter {parameter}", "comes from elsewhere than our file")
    for parameter in now.not_in_force:
        if parameter not in now.overridden:
            yield Change(f"the parameter {parameter}", "has another value than our file says")
    for statement in now.set_aside:
        subject = statement.removeprefix("ALTER ").removesuffix(" RESET ALL;")
        yield Change(subject, "has parameters of its own, which go before our file")
    for superuser in now.superusers:
        yield Change(f"the role {superuser}", "is a superuser", severity="critical")
    if now.pending_restart or now.need_restart:
        yield Change(unit, "has parameters that wait for it", "restart")
    elif now.overridden or now.not_in_force:
        yield Change(unit, "has parameters that wait for it", "reload")


def _never(question: AskDatabase, now: DatabaseState) -> str:
    """What no statement repairs."""
    if not now.answered:
        return "can't be looked at while PostgreSQL does not answer"
    if now.encoding in (None, "UTF8"):
        return ""
    # An encoding is for a database's whole life.
    return (
        f"has the encoding {now.encoding}, and the server needs UTF8: stop mattermost.service, "
        f"dump it (pg_dump {question.name}), drop it, deploy, and restore the dump"
    )


def _general(question: AskDatabase, now: DatabaseState, locale: str) -> Iterator[str]:
    name = question.name
    for parameter in now.overridden:
        yield f"ALTER SYSTEM RESET {parameter};"
    yield from now.set_aside
    for superuser in now.superusers:
        yield f"ALTER ROLE {superuser} NOSUPERUSER;"
    if now.role is None:
        yield f"CREATE ROLE {name} LOGIN;"
    elif now.role != ONLY_LOGIN:
        yield (
            f"ALTER ROLE {name} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION "
            "NOBYPASSRLS;"
        )
    if now.owner is None:
        yield (
            f"CREATE DATABASE {name} OWNER {name} ENCODING 'UTF8' "
            f"LC_COLLATE '{locale}' LC_CTYPE '{locale}' TEMPLATE template0;"
        )
    elif now.owner != name:
        yield f"ALTER DATABASE {name} OWNER TO {name};"


def _inside(question: AskDatabase, now: DatabaseState) -> Iterator[str]:
    if now.schema_owner != question.name:
        yield f"ALTER SCHEMA public OWNER TO {question.name};"
    if _sorts_otherwise(now):
        # Beside the old indexes, so that the server goes on writing.
        yield f"REINDEX DATABASE CONCURRENTLY {question.name};"
        yield f"ALTER DATABASE {question.name} REFRESH COLLATION VERSION;"


def _sorts_otherwise(now: DatabaseState) -> bool:
    built, library = now.collation
    return built != library
