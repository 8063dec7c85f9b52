"""Automatic repair of drift: at any time what interrupts nobody, everything in a window."""

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
    """What may be repaired. ``all`` means ``safe`` outside of the window."""

    scope: Scope
    window: str = ""
    """Begin and end in the control machine's local time, ``02:00-04:00``; may span midnight."""

    @classmethod
    def parse(cls, scope: Scope | None, window: str | None) -> "Heal | None":
        """Parse the options of a command. Raises OperatorError if they don't go together."""
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
        """The options that ``parse`` turns into this."""
        return ["--heal", self.scope, *(["--window", self.window] if self.window else [])]

    def now(self, clock: str) -> Scope:
        """What may be repaired at a time of day, ``03:00``; the window's end is excluded."""
        begin, _, end = self.window.partition("-")
        inside = begin <= clock < end if begin < end else clock >= begin or clock < end
        return "all" if self.window and inside else "safe"


def leave(run: Run, scope: Scope) -> int:
    """Keep only what may be repaired now in an evaluated run; returns how many changes.

    What only an operator may do, such as an upgrade, is never repaired. Safe is an operation that
    causes no restart or reload, now or in the next run, and that does not depend on one which was
    removed.
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
            return  # later operations may need the service that is down
        else:
            stopped.add(component)


def is_safe(
    changes: Sequence[Change], consequences: Sequence[Consequence], *, follows: bool
) -> bool:
    """Whether an operation's ``changes`` cause no restart or reload.

    ``follows``: units are restarted or reloaded after the operation. Then each change must be of a
    file that no unit reads. An operation that does not explain its changes is not safe.
    """
    return bool(changes) and all(
        change.effect == "change"
        and not any(
            one.follows_a_change_of(change.subject, content=change.content) for one in consequences
        )
        and (change.subject.startswith("/") or not follows)
        for change in changes
    )
