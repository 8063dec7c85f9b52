"""The outcome of one check for drift, and its texts."""

from collections.abc import Iterator
from datetime import datetime
from typing import Literal, get_args

from pydantic import computed_field
from pydantic.dataclasses import dataclass

from mattermost_host.engine.explanations import Effect, Severity
from mattermost_host.plan.plan import ORDER, Plan

Level = Literal["critical", "error", "warning", "notice", "info"]
PRIORITIES = dict(zip(get_args(Level), range(2, 7), strict=True))
"""syslog's priorities, which the journal reads from the beginning of a line."""


@dataclass(frozen=True)
class Found:
    """One difference on one host."""

    host: str
    subject: str
    found: str
    severity: Severity
    effect: Effect

    def __str__(self) -> str:
        would = f" (a run would {self.effect} it)" if self.effect != "change" else ""
        return one_line(f"{self.host}: {self.subject} {self.found}{would}")


@dataclass(frozen=True)
class Outcome:
    """The outcome of one check for drift; the history stores it as JSON."""

    began: datetime
    site: str = ""
    seconds: float = 0
    drift: tuple[Found, ...] = ()
    """The differences that are left, after any repair."""
    healed: tuple[Found, ...] = ()
    """The differences that were repaired."""
    reason: str = ""
    """Why the check failed, in sentences; empty if it did not."""
    trouble: str = ""
    """What went wrong with the repair."""

    @computed_field  # type: ignore[prop-decorator]
    @property
    def status(self) -> int:
        """Exit status: 0 no drift, 2 drift that is still there, 1 the check failed."""
        if self.reason:
            return 1
        return 2 if self.drift else 0

    @property
    def level(self) -> Level:
        """The highest severity that is left; ``error`` if the check failed."""
        if self.reason:
            return "error"
        severities = sorted((one.severity for one in self.drift), key=ORDER.__getitem__)
        return severities[-1] if severities else "info"

    @property
    def server_down(self) -> bool:
        """Whether a service that the site needs is down."""
        return any(one.effect == "restart" and one.severity == "critical" for one in self.drift)

    @property
    def summary(self) -> str:
        """One sentence."""
        if self.reason:
            return f"{self.site}: the check for drift failed"
        healed = f"; {_things(len(self.healed))} repaired" if self.healed else ""
        if not self.drift:
            return f"{self.site}: everything matches the inventory{healed}"
        differ = "differs" if len(self.drift) == 1 else "differ"
        worst = f", at worst {self.level}" if self.level != "info" else ""
        return f"{self.site}: {_things(len(self.drift))} {differ} from the inventory{worst}{healed}"

    def lines(self) -> Iterator[tuple[Level, str]]:
        """All lines of the report, with their priorities for the journal."""
        for one in self.healed:
            yield "notice", f"repaired: {one}"
        for one in sorted(self.drift, key=lambda one: -ORDER[one.severity]):
            yield one.severity, str(one)
        for line in f"{self.trouble}\n{self.reason}".strip().splitlines():
            yield "error", one_line(line)
        yield self.level, one_line(self.summary)


def found_in(plan: Plan) -> Iterator[Found]:
    """All changes that a run would make."""
    for host, steps in plan.steps.items():
        for step in steps:
            for change in step.changes:
                yield Found(host, change.subject, change.found, change.severity, change.effect)
            if not step.changes:
                yield Found(host, f'"{step.name}"', "does not hold", "warning", "change")


def one_line(text: str) -> str:
    """``text`` without line breaks and control characters."""
    return "".join(character if character.isprintable() else "�" for character in text)


def _things(number: int) -> str:
    return f"{number} thing{'s' if number != 1 else ''}"
