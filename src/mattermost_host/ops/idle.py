"""Nothing of ours is at work on a host."""

from collections.abc import Generator
from dataclasses import dataclass

from pyinfra import host
from pyinfra.api import StringCommand, operation
from pyinfra.api.operation import OperationMeta

from mattermost_host.engine.batch import Question
from mattermost_host.engine.explanations import Change, explain
from mattermost_host.engine.questions import ask, expect
from mattermost_host.ops import postgresql_move_state, system_upgrade, upgrade_state
from mattermost_host.ops.backup_files import ALL_SERVICES, RESTORING

UNITS = (
    upgrade_state.UNIT,
    postgresql_move_state.UNIT,
    system_upgrade.UNIT,
    f"{RESTORING.unit}.service",
    ALL_SERVICES,
)
REMEDY = "Wait until it has ended. Nothing was removed."


@dataclass(frozen=True)
class AskAtWork(Question[tuple[str, ...]]):
    """Units of ours that are at work."""

    about = "what is at work"

    def script(self) -> str:
        units = " ".join(f"'{unit}'" for unit in UNITS)
        return (
            f"systemctl list-units --plain --no-legend --state=active,activating {units}"
            " | cut -d ' ' -f 1"
        )

    def parse(self, lines: list[str]) -> tuple[str, ...]:
        return tuple(lines)


def idle(name: str) -> OperationMeta:
    """Refuse to go on while something of ours is at work."""
    expect(AskAtWork())
    return _idle(name=name)


@operation()
def _idle() -> Generator[StringCommand, None, None]:
    found = ask(AskAtWork())
    if not found:
        host.noop("nothing is at work")
        return
    explain(*(Change(one, "is at work", severity="critical") for one in found))
    yield StringCommand(f"echo '{', '.join(found)}: at work. {REMEDY}' >&2; exit 1")
