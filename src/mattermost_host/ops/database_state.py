"""The state of a local PostgreSQL's role, database, schema and parameters, in one question."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mattermost_host.engine.batch import Question
from mattermost_host.ops.database_parameters import InEffect, in_effect, in_force
from mattermost_host.ops.database_rights import (
    AS_GOOD,
    INSIDE,
    MAY_CONNECT,
    OF_SUPERUSER,
    ROLE_ATTRIBUTES,
    SET_ASIDE,
)
from mattermost_host.ops.probe import PATIENCE_S

AS_POSTGRES = "setpriv --reuid=postgres --regid=postgres --init-groups"
OPTIONS = "-X -q -v ON_ERROR_STOP=1"
UNDISTURBED = "-c statement_timeout=0 -c lock_timeout=0 -c role=none"
"""What ALTER ROLE or DATABASE … SET says must neither keep us from our work nor mislead us."""
WRITING = "-c default_transaction_read_only=off"
"""Not for a question, which would find that this parameter comes from elsewhere: from us."""
COLLATION_VERSION_SINCE = 15
"""From this version on a database has a collation version; before, only each collation has one."""
OWN_COLLATION = (
    "from pg_collation c join pg_database d on d.datname = current_database()"
    " and replace(lower(c.collcollate), '-', '') = replace(lower(d.datcollate), '-', '')"
    " where c.collversion is not null"
)
"""The collations in the database that sort as the database itself does."""
PENDING = (
    "select 'pending='||coalesce(string_agg(name, ' '), '') from pg_settings where pending_restart"
)
"""Asked first: after a look at pg_file_settings, unloaded changes count as pending, too."""
GRANTORS_SINCE = 16
"""From this version on REVOKE has to name the role that granted a membership."""


@dataclass(frozen=True, order=True)
class Later:
    """A line of a configuration file."""

    file: str
    number: int
    parameter: str


@dataclass(frozen=True)
class DatabaseState:
    """The state from the catalogues; None for what does not exist."""

    role: str | None = None
    """Attributes of the role, one letter each; see ``ROLE_ATTRIBUTES``."""
    owner: str | None = None
    encoding: str | None = None
    schema_owner: str | None = None
    overridden: tuple[str, ...] = ()
    """Our parameters whose value in force does not come from our file."""
    not_in_force: tuple[str, ...] = ()
    """Parameters that have another value than in our file."""
    pending_restart: tuple[str, ...] = ()
    """Parameters, ours or not, with a loaded value that waits for a restart."""
    need_restart: tuple[str, ...] = ()
    """Our parameters that can be changed by a restart only."""
    in_effect: tuple[InEffect, ...] = field(default=(), compare=False)
    """Our parameters, and others in our file, with the values of the running server."""
    later: tuple["Later", ...] = ()
    """Lines that set our parameters in other files which are read after ours."""
    granted: tuple[str, ...] = ()
    """REVOKE statements, ready to run: for each role that ours is a member of, and for each member
    of a superuser."""
    withheld: tuple[str, ...] = ()
    """GRANT statements, ready to run, for rights that the role does not have to what it owns."""
    closed: bool = False
    """Whether the database refuses connections, or limits their number."""
    of_others: tuple[str, ...] = ()
    """ALTER statements, ready to run, for objects of the schema that have another owner."""
    set_aside: tuple[str, ...] = ()
    """ALTER statements, ready to run, that undo ALTER DATABASE … SET and ALTER ROLE … SET."""
    superusers: tuple[str, ...] = ()
    """Superusers besides postgres, quoted for SQL."""
    answered: bool = True
    """False if PostgreSQL is installed and did not answer, or not to the end."""
    locale_refused: bool = False
    """Whether it was started before the locale of its databases existed, so that it can't use it.
    """
    collation: tuple[str, str] = ("", "")
    """Collation version that the indexes were built with, and the C library's current one."""
    checksums: bool = True
    """Data checksums; False if they are wanted and off."""
    follows: bool = False
    """Whether it only follows another host, as it may; then nothing can be changed here."""


@dataclass(frozen=True)
class Client:
    """psql as the superuser over the socket, without a psqlrc."""

    port: int = 5432
    psql: str = "psql"
    """Its path; Debian's wrapper in PATH takes longer than the query."""
    lock_file: str = ""
    """The running server's lock file, whose fourth line is its actual port."""

    def command(self, limit_s: int = 0, *, asks: bool = False) -> str:
        """Shell that runs it; statements and options are to follow. ``asks``: it writes nothing."""
        limit = f"timeout {limit_s} " if limit_s else ""
        options = UNDISTURBED if asks else f"{UNDISTURBED} {WRITING}"
        psql = f"{limit}{AS_POSTGRES} {self.psql} {OPTIONS} -p $port"
        return f"{self.find_port} PGOPTIONS='{options}' {psql}"

    @property
    def find_port(self) -> str:
        """Shell commands that change to / and set ``$port``."""
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
    """Data folder of a cluster that we created, with checksums; empty for a package's cluster."""
    may_follow: bool = False
    """Whether it is one of a cluster's, of which one leads and the others follow."""

    def script(self) -> str:
        # One -c for each: psql before 15 prints only the last result of several statements.
        inside = [one.format(name=self.name) for one in INSIDE]
        if self.major < COLLATION_VERSION_SINCE:
            version = "c.collversion||' '||pg_collation_actual_version(c.oid)"
            inside.append(f"select 'collation='||{version} {OWN_COLLATION} limit 1")
        ended = "select 'ended=yes'"
        statements = [*self._in_catalogues(), f"\\connect {self.name}", *inside, ended]
        asked = " ".join(f"-c {shlex.quote(statement)}" for statement in statements)
        psql = self.client.command(PATIENCE_S, asks=True)
        # A start without the locale is told by the parameter's name, in whatever language.
        refused = "sed 's/.*LC_C[OT].*/locale=refused/'"
        return (
            f"command -v {self.client.psql} >/dev/null && echo installed=yes\n"
            f"{{ {psql} -At -F '\n' -d postgres {asked}; }} 2>&1 | {refused}"
        )

    def _in_catalogues(self) -> Iterator[str]:
        # Patroni itself tells what waits for a restart.
        yield "select 'follows=yes' where pg_is_in_recovery()" if self.may_follow else PENDING
        yield f"select 'role='||{ROLE_ATTRIBUTES} from pg_roles where rolname='{self.name}'"
        yield (
            "select 'owner='||pg_get_userbyid(datdba), 'encoding='||pg_encoding_to_char(encoding),"
            " 'closed='||(datconnlimit <> -1 or not datallowconn)"
            f" from pg_database where datname='{self.name}'"
        )
        yield self._of_members()
        yield MAY_CONNECT.format(name=self.name)
        yield from self._of_parameters()
        # Settings of a role override those of a database, and both override every file.
        yield SET_ASIDE.format(name=self.name)
        names = _quoted(self.parameters)
        yield OF_SUPERUSER.format(name=self.name, parameters=names)
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

    def _of_members(self) -> str:
        by = "||' GRANTED BY '||grantor::regrole" if self.major >= GRANTORS_SINCE else ""
        return (
            f"select 'granted=REVOKE '||roleid::regrole||' FROM '||member::regrole{by}||';'"
            " from pg_auth_members"
            f" where member = (select oid from pg_roles where rolname = '{self.name}')"
            f" or roleid in (select oid from pg_roles where rolsuper or rolname in {AS_GOOD})"
        )

    def _of_parameters(self) -> Iterator[str]:
        names = _quoted(self.parameters)
        yield (
            f"select 'overridden='||name from pg_settings where name in ({names})"
            f" and sourcefile is distinct from '{self.parameters_file}'"
            # PostgreSQL reports the paths of its files as "override", wherever they were set.
            " and source <> 'override'"
            # The server may not have read the file of ALTER SYSTEM yet.
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
            answered=_is_whole(first) or "installed" not in first,
            locale_refused="locale" in first,
            checksums=first.get("checksums") != "off",
            follows="follows" in first,
            collation=_pair(first.get("collation", "")),
            pending_restart=tuple(first.get("pending", "").split()),
            **_of_parameters(values),
            later=tuple(sorted(map(_later, values.get("later", ())))),
            granted=tuple(values.get("granted", ())),
            withheld=tuple(values.get("withheld", ())),
            closed=first.get("closed") == "true",
            of_others=tuple(values.get("other", ())),
            set_aside=tuple(values.get("aside", ())),
            superusers=tuple(values.get("superuser", ())),
        )


def _quoted(parameters: Sequence[str]) -> str:
    # SQL has no empty list.
    return ", ".join(f"'{one}'" for one in parameters) or "''"


def _is_whole(first: Mapping[str, str]) -> bool:
    """Whether it answered to the end; what is inside of a database only where that lets us in."""
    inside = "owner" in first and first.get("closed") != "true"
    return "answered" in first and ("ended" in first or not inside)


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
