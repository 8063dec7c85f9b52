"""Putting drift right by itself: what interrupts nobody at any hour, everything in a window."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from mattermost_host.engine.explanations import Change
from mattermost_host.engine.restart_triggers import Consequence
from mattermost_host.engine.run import Operation, Run
from mattermost_host.support.errors import OperatorError

Scope = Literal["safe", "all"]
CLOCK = r"(?:[01]\d|2[0-3]):[0-5]\d"


@dataclass(frozen=True)
class Heal:
    """What may be put right. ``all`` outside of its window is ``safe``."""

    scope: Scope
    window: str = ""
    """Begin and end in the control machine's local time, as 02:00-04:00; it may span midnight."""

    @classmethod
    def parse(cls, scope: Scope | None, window: str | None) -> "Heal | None":
        """From the options of a command. Raises OperatorError where they don't fit together."""
        if scope == "all" and not window:
            raise OperatorError(
                "--heal all needs a window, such as --window 02:00-04:00: services are restarted "
                "only within it"
            )
        if window is not None and scope != "all":
            raise OperatorError("--window is only used together with --heal all")
        begin, _, end = (window or "").partition("-")
        if window and (not re.fullmatch(f"{CLOCK}-{CLOCK}", window, re.A) or begin == end):
            raise OperatorError(
                f"--window {window}: write a start and a different end, as in 02:00-04:00"
            )
        return cls(scope, window or "") if scope else None

    @property
    def options(self) -> list[str]:
        """What ``parse`` understands as this."""
        return ["--heal", self.scope, *(["--window", self.window] if self.window else [])]

    def now(self, clock: str) -> Scope:
        """What may be put right at a time of day, as 03:00; the end of the window is outside."""
        begin, _, end = self.window.partition("-")
        inside = begin <= clock < end if begin < end else clock >= begin or clock < end
        return "all" if self.window and inside else "safe"


def leave(run: Run, scope: Scope) -> int:
    """Take what may not be done now out of an evaluated run; how many changes are left.

    Never done is what only an operator may do, an upgrade. Safe is what neither restarts nor
    reloads anything, now or at the next run, and comes before nothing that it would need.
    """
    left = 0
    for host, operations in run.operations().items():
        kept = [operation for operation in operations if _heals(operation)]
        if scope == "safe":
            kept = list(_safe(kept, run.consequences(host)))
        run.keep(host, kept)
        left += sum(one.will_change for one in kept)
    return left


def _heals(operation: Operation) -> bool:
    return all(change.heals for change in operation.changes)


def _safe(
    operations: Sequence[Operation], consequences: Sequence[Consequence]
) -> Iterator[Operation]:
    stopped: set[str] = set()
    for operation in operations:
        if not operation.will_change:
            continue
        component = operation.name.partition(" | ")[0]
        follows = any(operation.meta is one for each in consequences for one in each.operations)
        if component not in stopped and is_safe(operation.changes, consequences, follows=follows):
            yield operation
        elif any(
            one.effect == "restart" and one.severity == "critical" for one in operation.changes
        ):
            return  # what comes later may need the service that is down
        else:
            stopped.add(component)


def is_safe(
    changes: Sequence[Change], consequences: Sequence[Consequence], *, follows: bool
) -> bool:
    """Whether nothing restarts or reloads for ``changes`` of one operation.

    ``follows``: some unit is restarted or reloaded after the operation. Then each change must be
    one of a file that no unit reads. An operation that can't say what it does is not safe.
    """
    return bool(changes) and all(
        change.effect == "change"
        and not any(
            one.follows_a_change_of(change.subject, content=change.content) for one in consequences
        )
        and (change.subject.startswith("/") or not follows)
        for change in changes
    )
