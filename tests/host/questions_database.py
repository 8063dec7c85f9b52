"""What the verification asks of the site's own PostgreSQL: read-only."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from mattermost_host.engine.batch import Question
from mattermost_host.ops.database import psql_command


@dataclass(frozen=True)
class Parameter:
    """A PostgreSQL parameter as our file states it, and whether that is in force."""

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
    """What the catalogues of the local PostgreSQL say. Absent things are None or empty."""

    answered: bool = False
    role: str | None = None
    """Attributes of the role by their SQL names, separated by spaces."""
    database: DatabaseRow | None = None
    schema_owner: str | None = None
    peer: str | None = None
    """Who PostgreSQL takes the system account for, over the socket."""
    parameters: Mapping[str, Parameter] | None = None
    file_newer: bool = False
    """Our file was changed after the cluster last read its files."""
    pending_restart: tuple[str, ...] = ()
    listens_on: str = ""


ATTRIBUTES = ("super", "createdb", "createrole", "replication", "bypassrls")


@dataclass(frozen=True)
class AskCluster(Question[Cluster]):
    """Role, database, schema, peer authentication and our parameters of the local cluster."""

    name: str
    port: int
    parameters_file: str
    """Its name below the cluster's configuration folder."""

    def script(self) -> str:
        psql = psql_command(self.port)
        catalogue = "; ".join(self._catalogue())
        inside = (
            "select 'schema|'||pg_get_userbyid(nspowner) from pg_namespace where nspname = 'public'"
        )
        as_server = f"runuser -u {self.name} -- psql -X -At -w -p {self.port} -d {self.name}"
        return (
            f'{psql} -At -F "|" -d postgres -c "{catalogue}"\n'
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
            " coalesce(f.error, ''), coalesce(s.sourcefile, s.source)"
            f" from pg_file_settings f join pg_settings s using (name) where f.{ours}"
        )
        yield (
            "select distinct 'newer', 'yes' from pg_file_settings"
            f" where {ours} and (pg_stat_file(sourcefile)).modification > pg_conf_load_time()"
        )
        yield "select 'pending', name from pg_settings where pending_restart"
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
            parameters={
                name: Parameter(value, in_force == "t", error or f"its value comes from {source}")
                for name, value, in_force, error, source in rows.get("parameter", ())
            },
            file_newer="newer" in rows,
            pending_restart=tuple(values[0] for values in rows.get("pending", ())),
            listens_on=_first(rows, "listens") or "",
        )


def _first(rows: Mapping[str, list[list[str]]], kind: str) -> str | None:
    return rows[kind][0][0].strip() if kind in rows else None
