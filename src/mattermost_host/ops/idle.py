"""Nothing of ours is at work on a host, and nothing was cut off half-way."""

from collections.abc import Generator
from dataclasses import dataclass

from pyinfra import host
from pyinfra.api import StringCommand, operation
from pyinfra.api.operation import OperationMeta

from mattermost_host.engine.batch import Question
from mattermost_host.engine.explanations import Change, explain
from mattermost_host.engine.questions import ask, expect
from mattermost_host.ops import postgresql_move_state, upgrade_state
from mattermost_host.ops.backup_files import ALL_SERVICES, RESTORING
from mattermost_host.ops.release_state import JOURNAL

UNITS = (
    upgrade_state.UNIT,
    postgresql_move_state.UNIT,
    f"{RESTORING.unit}.service",
    ALL_SERVICES,
)
REMEDY = "Wait for it, or repeat the command that was cut off. Nothing was removed."


@dataclass(frozen=True)
class AskAtWork(Question[tuple[str, ...]]):
    """Units of ours that are at work, and an upgrade of the server that was cut off."""

    about = "what is at work"

    def script(self) -> str:
        units = " ".join(f"'{unit}'" for unit in UNITS)
        steps = r"\|".join(upgrade_state.UNFINISHED)
        return (
            f"systemctl list-units --plain --no-legend --state=active,activating {units}"
            f" | cut -d ' ' -f 1\n"
            f"[ ! -f {JOURNAL} ] ||"
            f" sed -n 's/^step=\\({steps}\\)$/an upgrade that was cut off (\\1)/p' {JOURNAL}"
        )

    def parse(self, lines: list[str]) -> tuple[str, ...]:
        return tuple(lines)


def idle(name: str) -> OperationMeta:
    """Refuse to go on while something of ours is at work or unfinished."""
    expect(AskAtWork())
    return _idle(name=name)


@operation()
def _idle() -> Generator[StringCommand, None, None]:
    found = ask(AskAtWork())
    if not found:
        host.noop("nothing is at work")
        return
    explain(*(Change(one, "is at work or unfinished", severity="critical") for one in found))
    yield StringCommand(f"echo '{', '.join(found)}: at work or unfinished. {REMEDY}' >&2; exit 1")
