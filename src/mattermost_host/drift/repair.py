"""Putting drift right by itself: what interrupts nobody at any hour, everything in a window."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, time
from typing import Literal

from mattermost_host.engine.explanations import Change
from mattermost_host.engine.restart_triggers import Consequence
from mattermost_host.engine.run import Operation, Run
from mattermost_host.support.errors import OperatorError

Scope = Literal["safe", "all"]


@dataclass(frozen=True)
class Window:
    """A time of day, in the control machine's local time; it may span midnight."""

    begin: time
    end: time

    @classmethod
    def parse(cls, text: str) -> "Window":
        """``02:00-04:00``. Raises OperatorError for anything else."""
        found = re.fullmatch(r"(\d\d:\d\d)-(\d\d:\d\d)", text)
        try:
            begin, end = map(time.fromisoformat, found.groups() if found else ())
        except ValueError:
            raise OperatorError(
                f"--window {text}: that is no window; write begin and end, as in 02:00-04:00"
            ) from None
        if begin == end:
            raise OperatorError(f"--window {text}: begin and end are the same")
        return cls(begin, end)

    def holds(self, moment: time) -> bool:
        """Whether ``moment`` lies in it; the end does not."""
        if self.begin < self.end:
            return self.begin <= moment < self.end
        return moment >= self.begin or moment < self.end

    def __str__(self) -> str:
        return f"{self.begin:%H:%M}-{self.end:%H:%M}"


@dataclass(frozen=True)
class Heal:
    """What may be put right. ``all`` outside of its window is ``safe``."""

    scope: Scope
    window: Window | None = None

    @classmethod
    def parse(cls, scope: Scope | None, window: str | None) -> "Heal | None":
        """From the options of a command. Raises OperatorError where they don't fit together."""
        if (scope == "all") != bool(window):
            raise OperatorError(
                "--heal all needs --window 02:00-04:00: what restarts services does so then only"
                if scope == "all"
                else "--window means something together with --heal all only"
            )
        return cls(scope, Window.parse(window) if window else None) if scope else None

    def now(self, moment: datetime) -> Scope:
        """What may be put right at ``moment`` (local time)."""
        return "all" if self.window and self.window.holds(moment.time()) else "safe"


def leave_safe(run: Run) -> int:
    """Take all operations out of an evaluated run but those that are safe; how many are left.

    Safe is what neither restarts nor reloads anything, now or at the next run, and comes before
    nothing that it would need.
    """
    left = 0
    for host, operations in run.operations().items():
        kept = list(_safe(operations, run.consequences(host)))
        run.keep(host, kept)
        left += len(kept)
    return left


def leave_all(run: Run) -> int:
    """Take what only an operator may do, an upgrade, out of an evaluated run; how many are left."""
    left = 0
    for host, operations in run.operations().items():
        kept = [operation for operation in operations if _heals(operation)]
        run.keep(host, kept)
        left += sum(one.will_change for one in kept)
    return left


def _safe(
    operations: Sequence[Operation], consequences: Sequence[Consequence]
) -> Iterator[Operation]:
    stopped: set[str] = set()
    for operation in operations:
        if not operation.will_change or not _heals(operation):
            continue
        component = operation.name.partition(" | ")[0]
        changes = operation.changes
        follows = any(operation.meta is one for each in consequences for one in each.operations)
        if component not in stopped and is_safe(changes, consequences, follows=follows):
            yield operation
        elif any(_is_down(change) for change in changes):
            # What comes later may need the service that is down.
            return
        else:
            stopped.add(component)


def _heals(operation: Operation) -> bool:
    return all(change.heals for change in operation.changes)


def is_safe(
    changes: Sequence[Change], consequences: Sequence[Consequence], *, follows: bool
) -> bool:
    """Whether nothing restarts or reloads for ``changes`` of one operation.

    ``follows``: some unit is restarted or reloaded after the operation. Then each change must be
    one of a file that no unit reads. An operation that can't say what it does is not safe.
    """
    return bool(changes) and all(
        change.effect == "change"
        and not any(each.follows_a_change_of(change.subject) for each in consequences)
        and (change.subject.startswith("/") or not follows)
        for change in changes
    )


def _is_down(change: Change) -> bool:
    return change.effect == "restart" and change.severity == "critical"
