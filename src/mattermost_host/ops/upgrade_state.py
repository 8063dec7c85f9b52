"""The state of a host before its server is upgraded."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from mattermost_host.engine.batch import Question
from mattermost_host.ops.database_state import Client
from mattermost_host.ops.release_state import HOME, JOURNAL

UNIT = "mattermost-host-upgrade.service"
TOOLS = ("curl", "nft", "systemd-run", "setpriv")
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
        sql = f"{self.client.command(20)} -At -d {self.database}"
        migrations = "SELECT coalesce(to_regclass('db_migrations')::text, '')"
        return "\n".join(
            [
                f"[ -f {JOURNAL} ] && sed 's/^/journal=/' {JOURNAL}",
                f"systemctl is-active --quiet {UNIT} && echo at_work=yes",
                "systemctl is-active --quiet mattermost.service && echo serving=yes",
                f"for tool in {' '.join(TOOLS)}; do"
                ' command -v $tool >/dev/null || echo "missing=$tool"; done',
                "free() { df -Pm \"$1\" | awk 'NR == 2 { print $4 }'; }",
                f'echo "free_mb=$(free {HOME})"; echo "database_free_mb=$(free {self.data})"',
                f"(echo database_mb=$({sql} -c 'SELECT pg_database_size(current_database())"
                " / 1048576'))",
                f'(has=$({sql} -c "{migrations}"); [ -z "$has" ] ||'
                f" echo schema=$({sql} -c 'SELECT max(version) FROM db_migrations'))",
            ]
        )

    def parse(self, lines: list[str]) -> Found:
        values: dict[str, list[str]] = {}
        for line in lines:
            key, _, value = line.partition("=")
            values.setdefault(key, []).append(value)

        def number(name: str) -> int:
            text = "".join(values.get(name, ()))
            return int(text) if text.isdigit() else -1

        return Found(
            journal=dict(line.split("=", 1) for line in values.get("journal", ()) if "=" in line),
            at_work="at_work" in values,
            serving="serving" in values,
            missing=tuple(values.get("missing", ())),
            schema="".join(values.get("schema", ())),
            database_mb=number("database_mb"),
            free_mb=number("free_mb"),
            database_free_mb=number("database_free_mb"),
        )
