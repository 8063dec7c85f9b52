"""Hosts that are not there: their plans, and what a check for drift keeps of them."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mattermost_host.drift import memory
from mattermost_host.engine.explanations import Change
from mattermost_host.plan.plan import Plan, Step

RIGHT = Plan({"h1": ()})


OPEN = Change("table inet x", "in the kernel is not what the file says", severity="critical")


COMMENT = Change("/etc/x.conf", "has another content", severity="info", diff=("-# secret plan",))


RESTART = Change("x.service", "was started before /etc/x.conf changed", "restart")


def plan_of(*changes: Change) -> Plan:
    return Plan({"h1": (Step("X | it is right", changes),)})


@dataclass
class Hosts:
    """Plans to come, one after the other, and what was carried out."""

    plans: list[Plan | BaseException] = field(default_factory=list)
    safe: int = 0
    """How many operations of a plan are safe."""
    carried_out: list[str] = field(default_factory=list)
    breaks: str = ""

    def next(self, *_: Any) -> Plan:
        plan = self.plans.pop(0)
        if isinstance(plan, BaseException):
            raise plan
        return plan


def history_file(inventory: Path) -> Path:
    return memory.folder(inventory) / "history.jsonl"


def last_entry(inventory: Path) -> dict[str, Any]:
    entry: dict[str, Any] = json.loads(history_file(inventory).read_text().splitlines()[-1])
    return entry


def metrics_text(inventory: Path) -> str:
    (path,) = (inventory.parent / "metrics").iterdir()
    return path.read_text()
