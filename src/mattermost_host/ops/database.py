"""Role, database, schema and parameters of a local PostgreSQL, kept by SQL statements.

Only differences become statements, which are sent on standard input.
"""

import shlex
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from pyinfra import host
from pyinfra.api import StringCommand, operation
from pyinfra.api.operation import OperationMeta

from mattermost_host.engine.connections import is_executing
from mattermost_host.engine.explanations import Change, explain
from mattermost_host.engine.questions import ask, ask_again, changing, expect
from mattermost_host.ops import foresight
from mattermost_host.ops.database_rights import ONLY_LOGIN
from mattermost_host.ops.database_state import (
    AS_POSTGRES,
    COLLATION_VERSION_SINCE,
    OWN_COLLATION,
    AskDatabase,
    DatabaseState,
)
from mattermost_host.ops.hold import Hold

ELSEWHERE = "mattermost-host sets it in its own file"
SHOWN = 3
"""Number of tables that are named; the others are counted."""


@dataclass(frozen=True)
class _Written:
    """The future content of our parameter file, and the operations that write it."""

    parameters: tuple[tuple[str, str], ...]
    by: tuple[OperationMeta, ...] = field(default=(), compare=False)

    def foreseen(self, question: AskDatabase, now: DatabaseState) -> DatabaseState:
        """The predicted state after the file has been written and loaded."""
        becoming = foresight.written_by(self.by)
        if is_executing() or (becoming is not None and question.parameters_file not in becoming):
            return now
        stated = dict(self.parameters)
        waiting = [one.name for one in now.in_effect if not one.takes(stated.get(one.name))]
        ours = {one.name for one in now.in_effect}
        overridden = [name for name in now.need_restart if name in now.overridden]
        return replace(
            now,
            not_in_force=(),
            need_restart=tuple(dict.fromkeys([*waiting, *overridden])),
            pending_restart=tuple(name for name in now.pending_restart if name not in ours),
        )


def present(
    name: str,
    question: AskDatabase,
    locale: str,
    unit: str,
    parameters: Mapping[str, str],
    after: Sequence[OperationMeta] = (),
    hold: Hold | None = None,
) -> OperationMeta:
    """Keep a role that may only log in, its database, and our file's parameters in force.

    ``parameters`` is the file's content, which the operations ``after`` write and the unit's
    operation loads; a plan uses both to predict whether a restart is needed. Users wait at ``hold``
    during a restart.
    """
    expect(question)
    written = _Written(tuple(parameters.items()), tuple(after))
    restart = _restart(unit, hold)
    return _present(
        name=name, question=question, locale=locale, unit=unit, written=written, restart=restart
    )


def _restart(unit: str, hold: Hold | None) -> str:
    plain = f"systemctl restart {unit}"
    return "\n".join(["set -eu", *hold.around(unit, [plain])]) if hold else plain


@operation()
def _present(
    question: AskDatabase, locale: str, unit: str, written: _Written, restart: str
) -> Generator[StringCommand, None, None]:
    now = written.foreseen(question, ask(question))
    if is_executing() and not now.answered:
        # It was asked together with others, perhaps while a new member was still starting.
        now = written.foreseen(question, ask_again(question))
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
    if now.follows:
        host.noop("the leader has role and database")
        return
    steps = list(_steps(question, now, locale, unit, restart))
    explain(*_explained(question, now, unit))
    if not steps:
        host.noop("role, database and parameters are as described")
        return
    yield from changing(*steps)


def _steps(
    question: AskDatabase, now: DatabaseState, locale: str, unit: str, restart: str
) -> Iterator[StringCommand]:
    for database, statements in (
        ("postgres", list(_general(question, now, locale))),
        (question.name, list(_inside(question, now))),
    ):
        if statements:
            command = f"{question.client.command()} -d {database} -f -"
            yield StringCommand(command, _stdin=statements)
    for line in now.later:
        # The folder belongs to postgres, so root writes nothing there.
        edited = f"sed -i '{line.number}s/^/# {ELSEWHERE}: /' {shlex.quote(line.file)}"
        yield StringCommand(f"cd /; {AS_POSTGRES} {edited}")
    if not now.checksums:
        yield StringCommand(_with_checksums(question, unit))
    elif now.pending_restart or now.need_restart:
        yield StringCommand(restart)
    elif _needs_reload(now):
        yield StringCommand(f"systemctl reload {unit}")


def _with_checksums(question: AskDatabase, unit: str) -> str:
    """Compute data checksums; PostgreSQL is started again in any case, and an abort is repeated."""
    programs = question.client.psql.rpartition("/")[0]
    enabled = f"{AS_POSTGRES} {programs}/pg_checksums --enable -D {question.checksums_in}"
    return f"""set -eu
systemctl stop {unit}
{enabled} || status=$?
systemctl start {unit}
exit ${{status:-0}}"""


def _explained(question: AskDatabase, now: DatabaseState, unit: str) -> Iterator[Change]:
    yield from _of_rights(question.name, now)
    yield from _of_ownership(question.name, now)
    yield from _of_parameters(now)
    if not now.checksums:
        yield Change(
            unit,
            f"has no data checksums in {question.checksums_in}; they are computed while "
            "it is stopped, which takes as long as reading the whole database",
            "restart",
            heals=False,
        )
    elif now.pending_restart or now.need_restart:
        names = dict.fromkeys([*now.pending_restart, *now.need_restart])
        yield Change(unit, f"has parameters that wait for it: {', '.join(names)}", "restart")
    elif _needs_reload(now):
        yield Change(unit, "has parameters that wait for it", "reload")


def _of_rights(name: str, now: DatabaseState) -> Iterator[Change]:
    if now.role != ONLY_LOGIN:
        found = "is missing" if now.role is None else "has privileges beyond logging in"
        yield Change(f"the role {name}", found, severity="critical")
    for statement in now.granted:
        other, _, rest = statement.removeprefix("REVOKE ").partition(" FROM ")
        member = rest.partition(" GRANTED BY ")[0].removesuffix(";")
        yield Change(f"the role {member}", f"is a member of {other}", severity="critical")
    if now.withheld:
        places = [one.removeprefix("GRANT ALL ON ").rpartition(" TO ")[0] for one in now.withheld]
        found = f"has no right to all of its own: {_some(places)}"
        yield Change(f"the role {name}", found, severity="critical")
    for superuser in now.superusers:
        yield Change(f"the role {superuser}", "is a superuser", severity="critical")
    if now.closed:
        yield Change(f"the database {name}", "limits its connections", severity="critical")


def _of_ownership(name: str, now: DatabaseState) -> Iterator[Change]:
    if now.owner != name:
        found = "is missing" if now.owner is None else f"belongs to {now.owner}"
        yield Change(f"the database {name}", found)
    if now.schema_owner != name:
        yield Change("the schema public", f"belongs to {now.schema_owner or 'nobody yet'}")
    if now.of_others:
        tables = [one.removeprefix("ALTER TABLE ").partition(" OWNER ")[0] for one in now.of_others]
        found = f"does not belong to the role {name}"
        yield Change(_some(tables), found, severity="critical")
    if _sorts_otherwise(now):
        built, library = now.collation
        yield Change(
            f"the database {name}",
            f"was sorted by the C library {built}, and this host has {library}: its indexes may "
            "miss rows, and have to be rebuilt (REINDEX), which takes long on a large site",
            heals=False,
        )


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{', '.join(names[:SHOWN])}{more}"


def _of_parameters(now: DatabaseState) -> Iterator[Change]:
    again = {line.parameter for line in now.later}
    for line in now.later:
        found = f"is set again by line {line.number} of {line.file}, which overrides our file"
        yield Change(f"the parameter {line.parameter}", found)
    for parameter in now.overridden:
        if parameter not in again:
            yield Change(f"the parameter {parameter}", "is set outside of our file")
    for parameter in now.not_in_force:
        if parameter not in (*now.overridden, *again):
            yield Change(f"the parameter {parameter}", "has another value than in our file")
    for statement in now.set_aside:
        subject = statement.removeprefix("ALTER ").partition(" RESET ")[0]
        yield Change(subject, "has parameters of its own, which override our file")


def _needs_reload(now: DatabaseState) -> bool:
    return bool(now.overridden or now.not_in_force or now.later)


def _never(question: AskDatabase, now: DatabaseState) -> str:
    """What no statement can repair."""
    if not now.answered:
        return "can't be checked while PostgreSQL does not answer"
    if now.encoding in (None, "UTF8"):
        return ""
    # A database's encoding can't be changed.
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
            "NOBYPASSRLS CONNECTION LIMIT -1 VALID UNTIL 'infinity';"
        )
    yield from now.granted
    if now.owner is None:
        yield (
            f"CREATE DATABASE {name} OWNER {name} ENCODING 'UTF8' "
            f"LC_COLLATE '{locale}' LC_CTYPE '{locale}' TEMPLATE template0;"
        )
    elif now.owner != name:
        yield f"ALTER DATABASE {name} OWNER TO {name};"
    if now.closed:
        yield f"ALTER DATABASE {name} CONNECTION LIMIT -1;"
        yield f"ALTER DATABASE {name} ALLOW_CONNECTIONS true;"


def _inside(question: AskDatabase, now: DatabaseState) -> Iterator[str]:
    if now.schema_owner != question.name:
        yield f"ALTER SCHEMA public OWNER TO {question.name};"
    yield from now.of_others
    yield from now.withheld
    if _sorts_otherwise(now):
        # CONCURRENTLY, so that the server can go on writing.
        yield f"REINDEX DATABASE CONCURRENTLY {question.name};"
        if question.major >= COLLATION_VERSION_SINCE:
            yield f"ALTER DATABASE {question.name} REFRESH COLLATION VERSION;"
        else:
            refresh = "format('ALTER COLLATION %s REFRESH VERSION', c.oid::regcollation)"
            yield f"SELECT {refresh} {OWN_COLLATION} \\gexec"


def _sorts_otherwise(now: DatabaseState) -> bool:
    built, library = now.collation
    return built != library
