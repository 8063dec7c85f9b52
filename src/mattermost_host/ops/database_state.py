"""What a local PostgreSQL says of role, database, schema and parameters: one question."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mattermost_host.engine.batch import Question
from mattermost_host.ops.database_parameters import InEffect, in_effect, in_force
from mattermost_host.ops.probe import PATIENCE_S

AS_POSTGRES = "setpriv --reuid=postgres --regid=postgres --init-groups"
OPTIONS = "-X -q -v ON_ERROR_STOP=1"
COLLATION_VERSION_SINCE = 15
"""Of a database; before, only each collation has one, from when the cluster was made."""
OWN_COLLATION = (
    "from pg_collation c join pg_database d on d.datname = current_database()"
    " and replace(lower(c.collcollate), '-', '') = replace(lower(d.datcollate), '-', '')"
    " where c.collversion is not null"
)
"""The collations that sort as the database does, within it."""
PENDING = (
    "select 'pending='||coalesce(string_agg(name, ' '), '') from pg_settings where pending_restart"
)
"""Asked first: pg_file_settings lets its session take what nobody has loaded for pending, too."""
GRANTORS_SINCE = 16
"""Each member has been granted a role by somebody, who is to be named when it is revoked."""


@dataclass(frozen=True, order=True)
class Later:
    """A line of a configuration file."""

    file: str
    number: int
    parameter: str


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
    not_in_force: tuple[str, ...] = ()
    """Parameters that have another value than our file says."""
    pending_restart: tuple[str, ...] = ()
    """Parameters, of ours or not, of which it has read another value that waits for a restart."""
    need_restart: tuple[str, ...] = ()
    """Those of ours that PostgreSQL takes by a restart only."""
    in_effect: tuple[InEffect, ...] = field(default=(), compare=False)
    """Parameters of ours, and others in our file, as the server runs with them."""
    later: tuple["Later", ...] = ()
    """Lines of other files that set parameters of ours, and are read after our file."""
    granted: tuple[str, ...] = ()
    """REVOKE statements, ready to run, for each role of whose rights ours has a share."""
    closed: bool = False
    """Whether the database refuses connections, or all above some number."""
    of_others: tuple[str, ...] = ()
    """ALTER statements, ready to run, for what in the schema belongs to somebody else."""
    set_aside: tuple[str, ...] = ()
    """ALTER statements, ready to run, that take back what ALTER DATABASE or ROLE … SET said."""
    superusers: tuple[str, ...] = ()
    """Those beside postgres, quoted as SQL wants them."""
    answered: bool = True
    """False where PostgreSQL is installed and did not answer."""
    locale_refused: bool = False
    """Whether it started without the locale of its databases, and so will not see it."""
    collation: tuple[str, str] = ("", "")
    """Version of the sort order that the indexes were built by, and that of the C library now."""
    checksums: bool = True
    """False where they are wanted and off."""


_ATTRIBUTES = {
    "rolcanlogin": "l",
    "rolsuper": "s",
    "rolcreatedb": "d",
    "rolcreaterole": "r",
    "rolreplication": "p",
    "rolbypassrls": "b",
    "rolconnlimit <> -1": "c",
    "rolvaliduntil < 'infinity'": "v",
}
ROLE_ATTRIBUTES = "||".join(
    f"case when {holds} then '{letter}' else '' end" for holds, letter in _ATTRIBUTES.items()
)
ONLY_LOGIN = "l"
SCHEMA_OWNER = (
    "select 'schema='||pg_get_userbyid(nspowner) from pg_namespace where nspname='public'"
)


OF_OTHERS = (
    "select 'other=ALTER TABLE public.'||quote_ident(c.relname)||' OWNER TO {name};'"
    " from pg_class c where c.relnamespace = to_regnamespace('public')"
    " and c.relkind in ('r', 'p', 'v', 'm', 'S') and pg_get_userbyid(c.relowner) <> '{name}'"
    # What belongs to an extension, or to a column of a table, goes with these.
    " and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass"
    " and d.objid = c.oid and d.deptype in ('a', 'e', 'i'))"
)


@dataclass(frozen=True)
class Client:
    """psql as the superuser, by the socket, undisturbed by anybody's psqlrc."""

    port: int = 5432
    psql: str = "psql"
    """Its path; what Debian has in PATH is a wrapper that takes longer than the answer."""
    lock_file: str = ""
    """Of the running server, with the port that it really has in its fourth line."""

    def command(self, limit_s: int = 0) -> str:
        """Shell that runs it; statements and options are to follow."""
        limit = f"timeout {limit_s} " if limit_s else ""
        return f"{self.find_port} {limit}{AS_POSTGRES} {self.psql} {OPTIONS} -p $port"

    @property
    def find_port(self) -> str:
        """Shell that changes to / and sets ``$port``."""
        found = (
            f"for each in 1 2 3 4; do read -r port || :; done 2>/dev/null <{self.lock_file};"
            if self.lock_file
            else ""
        )
        return f"cd /; port=; {found} port=${{port:-{self.port}}};"


@dataclass(frozen=True)
class AskDatabase(Question[DatabaseState]):
    """State of role, database, schema and parameters of the local cluster."""

    about = "the database {name}"
    waits = True

    name: str
    parameters: tuple[str, ...]
    parameters_file: str
    client: Client = Client()
    major: int = 15
    checksums_in: str = ""
    """Folder of a cluster that was made with data checksums; empty where packages made it."""

    def script(self) -> str:
        # A statement each: psql before 15 prints only the last answer of several.
        inside = [SCHEMA_OWNER, OF_OTHERS.format(name=self.name)]
        if self.major < COLLATION_VERSION_SINCE:
            version = "c.collversion||' '||pg_collation_actual_version(c.oid)"
            inside.append(f"select 'collation='||{version} {OWN_COLLATION} limit 1")
        statements = [*self._in_catalogues(), f"\\connect {self.name}", *inside]
        asked = " ".join(f"-c {shlex.quote(statement)}" for statement in statements)
        psql = self.client.command(limit_s=PATIENCE_S)
        # A start without the locale is told by the parameter's name, in whatever language.
        refused = "sed 's/.*LC_C[OT].*/locale=refused/'"
        return (
            f"command -v {self.client.psql} >/dev/null && echo installed=yes\n"
            f"{{ {psql} -At -F '\n' -d postgres {asked}; }} 2>&1 | {refused}"
        )

    def _in_catalogues(self) -> Iterator[str]:
        yield PENDING
        yield f"select 'role='||{ROLE_ATTRIBUTES} from pg_roles where rolname='{self.name}'"
        yield (
            "select 'owner='||pg_get_userbyid(datdba), 'encoding='||pg_encoding_to_char(encoding),"
            " 'closed='||(datconnlimit <> -1 or not datallowconn)"
            f" from pg_database where datname='{self.name}'"
        )
        by = "||' GRANTED BY '||grantor::regrole" if self.major >= GRANTORS_SINCE else ""
        yield (
            f"select 'granted=REVOKE '||roleid::regrole||' FROM '||member::regrole{by}||';'"
            " from pg_auth_members"
            f" where member = (select oid from pg_roles where rolname = '{self.name}')"
        )
        yield from self._of_parameters()
        # What is set for a role goes before what is for a database, and both before every file.
        yield (
            "select 'aside=ALTER '||case when s.setrole=0 and s.setdatabase=0 then 'ROLE ALL'"
            " when s.setrole=0 then 'DATABASE '||quote_ident(d.datname)"
            " else 'ROLE '||quote_ident(r.rolname)||coalesce(' IN DATABASE '||"
            "quote_ident(d.datname), '') end||' RESET ALL;' from pg_db_role_setting s"
            " left join pg_database d on d.oid = s.setdatabase"
            " left join pg_roles r on r.oid = s.setrole"
            f" where coalesce(d.datname, '{self.name}') = '{self.name}'"
            f" and coalesce(r.rolname, '{self.name}') = '{self.name}'"
        )
        if self.major >= COLLATION_VERSION_SINCE:
            yield (
                "select 'collation='||datcollversion||' '||"
                "pg_database_collation_actual_version(oid)"
                f" from pg_database where datname='{self.name}'"
            )
        yield (
            "select 'superuser='||quote_ident(rolname) from pg_roles where rolsuper"
            f" and oid <> 10 and rolname <> '{self.name}'"
        )
        if self.checksums_in:
            yield "select 'checksums='||current_setting('data_checksums')"
        yield "select 'answered=yes'"

    def _of_parameters(self) -> Iterator[str]:
        names = ", ".join(f"'{parameter}'" for parameter in self.parameters)
        yield (
            f"select 'overridden='||name from pg_settings where name in ({names})"
            f" and sourcefile is distinct from '{self.parameters_file}'"
            # PostgreSQL says that the places of its files are its own words, whoever stated them.
            " and source <> 'override'"
            # What ALTER SYSTEM said is in a file that the server may not have read yet.
            f" union select 'overridden='||name from pg_file_settings where name in ({names})"
            " and sourcefile like '%/postgresql.auto.conf'"
        )
        yield (
            "select 'value='||concat_ws('|', s.name, f.setting, s.setting, s.unit)"
            " from pg_file_settings f join pg_settings s using (name)"
            f" where f.sourcefile = '{self.parameters_file}'"
        )
        yield (
            "select 'later='||concat_ws('|', f.sourceline, f.name, f.sourcefile)"
            " from pg_file_settings f where f.sourcefile not like '%/postgresql.auto.conf'"
            " and f.seqno > (select max(o.seqno) from pg_file_settings o"
            f" where o.name = f.name and o.sourcefile = '{self.parameters_file}')"
        )
        yield (
            "select 'runs='||concat_ws('|', name, context, setting, unit) from pg_settings"
            f" where name in ({names}) or sourcefile = '{self.parameters_file}'"
        )

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
            answered="answered" in first or "installed" not in first,
            locale_refused="locale" in first,
            checksums=first.get("checksums") != "off",
            collation=_pair(first.get("collation", "")),
            pending_restart=tuple(first.get("pending", "").split()),
            **_of_parameters(values),
            later=tuple(sorted(map(_later, values.get("later", ())))),
            granted=tuple(values.get("granted", ())),
            closed=first.get("closed") == "true",
            of_others=tuple(values.get("other", ())),
            set_aside=tuple(values.get("aside", ())),
            superusers=tuple(values.get("superuser", ())),
        )


def _of_parameters(values: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    running = tuple(map(in_effect, values.get("runs", ())))
    overridden = tuple(values.get("overridden", ()))
    stated = [line.split("|") for line in values.get("value", ())]
    not_in_force = tuple(name for name, *three in stated if not in_force(*three))
    wrong = {*overridden, *not_in_force}
    return {
        "in_effect": running,
        "overridden": overridden,
        "not_in_force": not_in_force,
        "need_restart": tuple(one.name for one in running if one.by_restart and one.name in wrong),
    }


def _later(text: str) -> Later:
    number, parameter, file = text.split("|", 2)
    return Later(file, int(number), parameter)


def _pair(text: str) -> tuple[str, str]:
    built, _, now = text.partition(" ")
    return built, now
