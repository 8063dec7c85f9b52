"""What a program of ours began on a host and did not end: one list for every command.

Each writes the step that it begins to its journal. A step in ``steps`` that is the last one means
that it is at work, was cut off, or could neither go on nor back.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from mattermost_host.facts import database
from mattermost_host.facts.host import HostFacts
from mattermost_host.ops import postgresql_move_state, system_upgrade, upgrade_state
from mattermost_host.ops.backup_files import RESTORE_JOURNAL, RESTORE_UNFINISHED
from mattermost_host.ops.release_state import JOURNAL

Journal = Mapping[str, str]


@dataclass(frozen=True)
class Kind:
    """A program with a journal."""

    name: str
    """``an upgrade of the system``."""
    journal: str
    steps: tuple[str, ...]
    last: Callable[[HostFacts], Journal]
    remedy: str


@dataclass(frozen=True)
class Unfinished:
    """One of them, as a host has it."""

    kind: Kind
    journal: Journal

    def __str__(self) -> str:
        old, new = self.journal.get("old"), self.journal.get("new")
        way = f" from {old} to {new}" if old and new else ""
        step = self.journal["step"]
        return f"{self.kind.name}{way} is under way, or was cut off at the step {step}"


SERVER = Kind(
    "an upgrade of the server",
    JOURNAL,
    upgrade_state.UNFINISHED,
    lambda facts: dict(facts.last_upgrade),
    "Wait until it has ended; else go on with `mattermost-host upgrade`, or back with "
    "`mattermost-host rollback`.",
)
DATABASE = Kind(
    "a move of the database",
    f"{postgresql_move_state.FOLDER}/journal",
    database.UNFINISHED,
    lambda facts: dict(facts.database_move),
    "Run `mattermost-host upgrade-postgresql` with this inventory: it goes on, or back, and says "
    "which.",
)
SYSTEM = Kind(
    "an upgrade of the system",
    f"{system_upgrade.FOLDER}/journal",
    system_upgrade.UNFINISHED,
    lambda facts: dict(facts.system_upgrade),
    "Wait until it has ended; else run `mattermost-host upgrade-system`, which goes on. Its log is "
    f"{system_upgrade.FOLDER}/log.",
)
RESTORE = Kind(
    "a restore of database and files",
    RESTORE_JOURNAL,
    RESTORE_UNFINISHED,
    lambda facts: dict(facts.restore),
    "Wait until it has ended; else run `mattermost-host restore` again, with the same options: it "
    "puts back what was there before, and begins anew. `mattermost-host restore --back` does the "
    "first and no more.",
)
KINDS = (SERVER, DATABASE, SYSTEM, RESTORE)


def on(facts: HostFacts) -> Iterator[Unfinished]:
    """What is unfinished on a host."""
    for kind in KINDS:
        journal = kind.last(facts)
        if journal.get("step", "") in kind.steps:
            yield Unfinished(kind, journal)
