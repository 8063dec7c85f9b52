"""The verification's questions to the site's own PostgreSQL: read-only."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from mattermost_host.engine.batch import Question
from mattermost_host.ops.database_parameters import in_force
from mattermost_host.ops.database_state import Client
from mattermost_host.ops.probe import PATIENCE_S


@dataclass(frozen=True)
class Parameter:
    """A parameter in our file, and whether it is in force."""

    value: str
    in_force: bool
    why_not: str = ""


@dataclass(frozen=True)
class DatabaseRow:
    """A database in the catalogue."""

    owner: str
    encoding: str
    collation: str
    character_type: str


@dataclass(frozen=True)
class Cluster:
    """The state of the local PostgreSQL; None or empty for what does not exist."""

    answered: bool = False
    role: str | None = None
    """Attributes of the role by their SQL names, separated by spaces."""
    database: DatabaseRow | None = None
    schema_owner: str | None = None
    peer: str | None = None
    """The role that PostgreSQL gives the system account over the socket."""
    parameters: Mapping[str, Parameter] | None = None
    pending_restart: tuple[str, ...] = ()
    listens_on: str = ""
    checksums: bool = False
    """Whether data checksums are on."""


ATTRIBUTES = ("super", "createdb", "createrole", "replication", "bypassrls")


@dataclass(frozen=True)
class AskCluster(Question[Cluster]):
    """Role, database, schema, peer authentication and our parameters of the local cluster."""

    about = "the PostgreSQL cluster"
    waits = True

    name: str
    port: int
    parameters_file: str
    """Its name without the folder, which depends on the family."""

    def script(self) -> str:
        psql = Client(self.port).command(limit_s=PATIENCE_S)
        # One -c for each: psql before 15 prints only the last result of several statements.
        catalogue = " ".join(f'-c "{statement}"' for statement in self._catalogue())
        inside = (
            "select 'schema|'||pg_get_userbyid(nspowner) from pg_namespace where nspname = 'public'"
        )
        become = f"timeout {PATIENCE_S} runuser -u {self.name}"
        as_server = f"{become} -- psql -X -At -w -p {self.port} -d {self.name}"
        return (
            # If PostgreSQL hangs, don't wait again.
            f'{psql} -At -F "|" -d postgres {catalogue}; [ $? != 124 ] || exit 0\n'
            f'{psql} -At -d {self.name} -c "{inside}"\n'
            f"{as_server} -c \"select 'peer|'||current_user\""
        )

    def _catalogue(self) -> Iterator[str]:
        attributes = "||".join(
            ["case when rolcanlogin then ' login' else '' end"]
            + [f"case when rol{name} then ' {name}' else '' end" for name in ATTRIBUTES]
        )
        ours = f"sourcefile like '%/{self.parameters_file}'"
        yield f"select 'role', {attributes} from pg_roles where rolname = '{self.name}'"
        yield (
            "select 'database', pg_get_userbyid(datdba), pg_encoding_to_char(encoding), datcollate,"
            f" datctype from pg_database where datname = '{self.name}'"
        )
        yield (
            "select 'parameter', f.name, f.setting, f.applied and s.sourcefile = f.sourcefile,"
            " coalesce(f.error, ''), coalesce(s.sourcefile, s.source), s.setting,"
            " coalesce(s.unit, '')"
            f" from pg_file_settings f join pg_settings s using (name) where f.{ours}"
        )
        yield "select 'pending', name from pg_settings where pending_restart"
        yield "select 'checksums', current_setting('data_checksums')"
        yield "select 'listens', current_setting('listen_addresses')"

    def parse(self, lines: list[str]) -> Cluster:
        rows: dict[str, list[list[str]]] = {}
        for line in lines:
            kind, *values = line.split("|")
            rows.setdefault(kind, []).append(values)
        database = next(iter(rows.get("database", ())), None)
        return Cluster(
            answered="listens" in rows,
            role=_first(rows, "role"),
            database=DatabaseRow(*database) if database else None,
            schema_owner=_first(rows, "schema"),
            peer=_first(rows, "peer"),
            parameters={row[0]: _parameter(*row[1:]) for row in rows.get("parameter", ())},
            pending_restart=tuple(values[0] for values in rows.get("pending", ())),
            listens_on=_first(rows, "listens") or "",
            checksums=_first(rows, "checksums") == "on",
        )


def _parameter(
    value: str, applied: str, error: str, source: str, setting: str, unit: str
) -> Parameter:
    if applied != "t":
        return Parameter(value, in_force=False, why_not=error or f"its value comes from {source}")
    if not in_force(value, setting, unit):
        return Parameter(value, in_force=False, why_not=" of ".join(filter(None, (setting, unit))))
    return Parameter(value, in_force=True)


def _first(rows: Mapping[str, list[list[str]]], kind: str) -> str | None:
    return rows[kind][0][0].strip() if kind in rows else None
