"""The state of a host before its server is upgraded."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from mattermost_host.engine.batch import Question
from mattermost_host.knowledge import start_blockers
from mattermost_host.ops.database_state import Client
from mattermost_host.ops.release_state import CURRENT, HOME, JOURNAL
from mattermost_host.ops.state_files import CONFIGURATION

UNIT = "mattermost-host-upgrade.service"
TOOLS = ("curl", "nft", "systemd-run", "setpriv")
ASKED = start_blockers.IN_THE_OPEN
"""Settings of config.json that an upgrade is judged by; none of them is a secret."""
UNFINISHED = ("stops", "switches", "starts", "going-back", "stuck")
"""Steps of the journal after which a run that was cut off leaves the server to be looked at."""


@dataclass(frozen=True)
class Found:
    """The last upgrade, and room for the next."""

    journal: Mapping[str, str] = field(default_factory=dict)
    """Keys ``step``, ``old``, ``new``, ``way``, ``schema``, ``at``; empty if there was no upgrade.
    """
    at_work: bool = False
    """An upgrade is running."""
    serving: bool = False
    """The server's unit is active."""
    missing: tuple[str, ...] = ()
    """Programs that an upgrade needs and that are missing."""
    schema: str = ""
    """Number of migrations, or the schema version of releases before 6."""
    database_mb: int = -1
    """-1 if PostgreSQL did not answer."""
    free_mb: int = -1
    """Free space for the restore point."""
    database_free_mb: int = -1
    """Free space on PostgreSQL's disk."""
    posts: int = -1
    """PostgreSQL's estimate; -1 if it has none."""
    largest: str = ""
    """The largest table."""
    largest_mb: int = 0
    """Its size with its indexes."""
    edition: str = ""
    """``enterprise`` or ``team``, as the running release says; empty if it did not."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """JSON values in config.json of the settings in ``ASKED``."""

    @property
    def unfinished(self) -> bool:
        """Whether an upgrade was interrupted."""
        return not self.at_work and self.journal.get("step", "") in UNFINISHED


@dataclass(frozen=True)
class AskUpgrade(Question["Found"]):
    """The journal of the last upgrade, and what the next one requires."""

    about = "the last upgrade of the server"
    waits = True

    database: str
    client: Client
    data: str
    """Folder of PostgreSQL's data."""

    def script(self) -> str:
        return "\n".join([*self._of_host(), *self._of_server(), *self._of_database()])

    def _of_host(self) -> Iterator[str]:
        yield f"[ -f {JOURNAL} ] && sed 's/^/journal=/' {JOURNAL}"
        yield f"systemctl is-active --quiet {UNIT} && echo at_work=yes"
        yield "systemctl is-active --quiet mattermost.service && echo serving=yes"
        yield (
            f"for tool in {' '.join(TOOLS)}; do"
            ' command -v $tool >/dev/null || echo "missing=$tool"; done'
        )
        yield "free() { df -Pm \"$1\" | awk 'NR == 2 { print $4 }'; }"
        yield f'echo "free_mb=$(free {HOME})"; echo "database_free_mb=$(free {self.data})"'

    def _of_server(self) -> Iterator[str]:
        as_server = "timeout 10 setpriv --reuid=mattermost --regid=mattermost --init-groups"
        names = "|".join(("", *ASKED, ""))
        yield (
            f"{as_server} {CURRENT}/bin/mattermost version 2>/dev/null |"
            " sed -n 's/^Build Enterprise Ready: */enterprise=/p'"
        )
        # As the server writes it: one setting a line, sections by four spaces, settings by eight.
        yield (
            f"{as_server} cat {CONFIGURATION} 2>/dev/null | awk -v names='{names}' '"
            r"""/^    "[A-Za-z0-9]+": \{/ { split($0, part, "\""); section = part[2] }"""
            r"""/^        "[A-Za-z0-9]+": / { split($0, part, "\""); name = section "." part[2];"""
            r""" value = $0; sub(/^[^:]*: /, "", value); sub(/,$/, "", value);"""
            r""" if (index(names, "|" name "|")) print "setting=" name "=" value }'"""
        )

    def _of_database(self) -> Iterator[str]:
        sql = f"{self.client.command(20)} -At -d {self.database}"
        migrations = "SELECT coalesce(to_regclass('db_migrations')::text, '')"
        size = "pg_total_relation_size(oid)"
        asked = (
            "SELECT 'database_mb=' || pg_database_size(current_database()) / 1048576",
            "SELECT 'posts=' || reltuples::bigint FROM pg_class WHERE oid = to_regclass('posts')",
            f"SELECT 'largest=' || relname || '=' || {size} / 1048576 FROM pg_class"
            f" WHERE relkind = 'r' ORDER BY {size} DESC LIMIT 1",
        )
        words = " ".join(f'-c "{one}"' for one in asked)
        yield f"({sql} {words})"
        yield (
            f'(has=$({sql} -c "{migrations}"); [ -z "$has" ] ||'
            f" echo schema=$({sql} -c 'SELECT max(version) FROM db_migrations'))"
        )

    def parse(self, lines: list[str]) -> Found:
        values: dict[str, list[str]] = {}
        for line in lines:
            key, _, value = line.partition("=")
            values.setdefault(key, []).append(value)

        def number(name: str) -> int:
            text = "".join(values.get(name, ()))
            return int(text) if text.isdigit() else -1

        def pairs(name: str) -> dict[str, str]:
            lines = values.get(name, ())
            return dict(line.split("=", 1) for line in lines if "=" in line)

        largest, _, largest_mb = "".join(values.get("largest", ())).partition("=")
        ready = "".join(values.get("enterprise", ()))
        return Found(
            journal=pairs("journal"),
            at_work="at_work" in values,
            serving="serving" in values,
            missing=tuple(values.get("missing", ())),
            schema="".join(values.get("schema", ())),
            database_mb=number("database_mb"),
            free_mb=number("free_mb"),
            database_free_mb=number("database_free_mb"),
            posts=number("posts"),
            largest=largest,
            largest_mb=int(largest_mb) if largest_mb.isdigit() else 0,
            edition={"true": "enterprise", "false": "team"}.get(ready, ""),
            settings=pairs("setting"),
        )
