"""Role, database and schema in a local PostgreSQL, and its parameters: converging SQL.

One question reads everything from the catalogues; only what differs becomes a statement.
Statements travel by standard input.
"""

import shlex
from collections.abc import Generator, Iterator
from dataclasses import dataclass

from pyinfra import host
from pyinfra.api import StringCommand, operation
from pyinfra.api.operation import OperationMeta

from mattermost_host.engine.batch import Question
from mattermost_host.engine.explanations import Change, explain
from mattermost_host.engine.questions import ask, changing, expect


@dataclass(frozen=True)
class DatabaseState:
    """What the catalogues say. Absent things are None."""

    role: str | None = None
    """Attributes of the role, one letter each; see ``ROLE_ATTRIBUTES``."""
    owner: str | None = None
    encoding: str | None = None
    schema_owner: str | None = None
    overridden: tuple[str, ...] = ()
    """Parameters of ours whose value in force does not come from our file."""
    pending_restart: bool = False
    need_restart: tuple[str, ...] = ()
    """Those of ``overridden`` that PostgreSQL takes by a restart only."""
    set_aside: tuple[str, ...] = ()
    """ALTER statements, ready to run, that take back what ALTER DATABASE or ROLE … SET said."""
    superusers: tuple[str, ...] = ()
    """Those beside postgres, quoted as SQL wants them."""


ROLE_ATTRIBUTES = (
    "(case when rolcanlogin then 'l' else '' end || case when rolsuper then 's' else '' end || "
    "case when rolcreatedb then 'd' else '' end || case when rolcreaterole then 'r' else '' end || "
    "case when rolreplication then 'p' else '' end || case when rolbypassrls then 'b' else '' end)"
)
ONLY_LOGIN = "l"
SCHEMA_OWNER = (
    "select 'schema='||pg_get_userbyid(nspowner) from pg_namespace where nspname='public'"
)


@dataclass(frozen=True)
class AskDatabase(Question["DatabaseState"]):
    """State of role, database, schema and parameters of the cluster on ``port``."""

    name: str
    port: int
    parameters: tuple[str, ...]
    parameters_file: str
    psql: str = "psql"
    """Its path; what Debian has in PATH is a wrapper that takes longer than the answer."""

    def script(self) -> str:
        # A statement each: psql before 15 prints only the last answer of several.
        statements = [*self._in_catalogues(), f"\\connect {self.name}", SCHEMA_OWNER]
        asked = " ".join(f"-c {shlex.quote(statement)}" for statement in statements)
        return f"{psql_command(self.port, self.psql)} -At -F '\n' -d postgres {asked}"

    def _in_catalogues(self) -> Iterator[str]:
        names = ", ".join(f"'{parameter}'" for parameter in self.parameters)
        yield f"select 'role='||{ROLE_ATTRIBUTES} from pg_roles where rolname='{self.name}'"
        yield (
            "select 'owner='||pg_get_userbyid(datdba), 'encoding='||pg_encoding_to_char(encoding)"
            f" from pg_database where datname='{self.name}'"
        )
        yield (
            f"select 'overridden='||name from pg_settings where name in ({names})"
            f" and sourcefile is distinct from '{self.parameters_file}'"
            # What ALTER SYSTEM said is in a file that the server may not have read yet.
            f" union select 'overridden='||name from pg_file_settings where name in ({names})"
            " and sourcefile like '%/postgresql.auto.conf'"
        )
        yield (
            f"select 'restart='||name from pg_settings where name in ({names})"
            " and context = 'postmaster'"
        )
        # A value for a role goes before one for a database, and both before every file.
        yield (
            "select 'aside=ALTER '||case when s.setrole=0 then 'DATABASE '||quote_ident(d.datname)"
            " else 'ROLE '||quote_ident(r.rolname)||coalesce(' IN DATABASE '||"
            "quote_ident(d.datname), '') end||' RESET ALL;' from pg_db_role_setting s"
            " left join pg_database d on d.oid = s.setdatabase"
            " left join pg_roles r on r.oid = s.setrole"
            f" where d.datname = '{self.name}' or r.rolname = '{self.name}'"
        )
        yield (
            "select 'superuser='||quote_ident(rolname) from pg_roles where rolsuper"
            f" and oid <> 10 and rolname <> '{self.name}'"
        )
        yield "select 'pending=yes' from pg_settings where pending_restart limit 1"

    def parse(self, lines: list[str]) -> DatabaseState:
        values: dict[str, list[str]] = {}
        for line in lines:
            key, _, value = line.partition("=")
            values.setdefault(key, []).append(value)
        first = {key: items[0] for key, items in values.items()}
        return DatabaseState(
            role=first.get("role"),
            owner=first.get("owner"),
            encoding=first.get("encoding"),
            schema_owner=first.get("schema"),
            overridden=tuple(values.get("overridden", ())),
            pending_restart="pending" in first,
            need_restart=tuple(
                name for name in values.get("restart", ()) if name in values.get("overridden", ())
            ),
            set_aside=tuple(values.get("aside", ())),
            superusers=tuple(values.get("superuser", ())),
        )


def psql_command(port: int, psql: str = "psql") -> str:
    """psql as the superuser, by the socket, undisturbed by anybody's psqlrc."""
    as_postgres = "setpriv --reuid=postgres --regid=postgres --init-groups"
    return f"cd / && {as_postgres} {psql} -X -q -v ON_ERROR_STOP=1 -p {port}"


def present(name: str, question: AskDatabase, locale: str, unit: str) -> OperationMeta:
    """Keep a role that may only log in, its database, and the parameters of our file in force."""
    expect(question)
    return _present(name=name, question=question, locale=locale, unit=unit)


@operation()
def _present(question: AskDatabase, locale: str, unit: str) -> Generator[StringCommand, None, None]:
    now: DatabaseState = ask(question)
    general, inside = list(_general(question, now, locale)), list(_inside(question, now))
    if found := _wrong_encoding(question, now):
        explain(Change(f"the database {question.name}", found, severity="critical"))
        refused = f"the database {question.name} {found}"
        yield StringCommand(f"echo {shlex.quote(refused)} >&2; exit 1")
        return
    steps = []
    if general:
        steps.append(_sql(question.port, "postgres", general))
    if inside:
        steps.append(_sql(question.port, question.name, inside))
    if now.pending_restart or now.need_restart:
        steps.append(StringCommand(f"systemctl restart {unit}"))
    elif now.overridden:
        steps.append(StringCommand(f"systemctl reload {unit}"))
    explain(*_explained(question, now, unit))
    if not steps:
        host.noop("role, database and parameters are as described")
        return
    yield from changing(*steps)


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
    for parameter in now.overridden:
        yield Change(f"the parameter {parameter}", "comes from elsewhere than our file")
    for statement in now.set_aside:
        subject = statement.removeprefix("ALTER ").removesuffix(" RESET ALL;")
        yield Change(subject, "has parameters of its own, which go before our file")
    for superuser in now.superusers:
        yield Change(f"the role {superuser}", "is a superuser", severity="critical")
    if now.pending_restart or now.need_restart:
        yield Change(unit, "has parameters that wait for it", "restart")
    elif now.overridden:
        yield Change(unit, "has parameters that wait for it", "reload")


def _wrong_encoding(question: AskDatabase, now: DatabaseState) -> str:
    """An encoding is for a database's whole life: no statement repairs it."""
    if now.encoding in (None, "UTF8"):
        return ""
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


def _sql(port: int, database: str, statements: list[str]) -> StringCommand:
    return StringCommand(f"{psql_command(port)} -d {database} -f -", _stdin=statements)
