"""Firewall rules in the kernel: loaded from our file, and unchanged since."""

from collections.abc import Generator
from dataclasses import dataclass

from pyinfra import host
from pyinfra.api import StringCommand, operation
from pyinfra.api.operation import OperationMeta

from mattermost_host.engine.batch import Question
from mattermost_host.engine.connections import is_executing
from mattermost_host.engine.explanations import Change, explain, foreseen_content
from mattermost_host.engine.questions import ask, changing, expect
from mattermost_host.ops.unit_state import AskUnit, as_described, flaws


@dataclass(frozen=True)
class RulesState(Question[bool]):
    """``same`` if the kernel's table is unchanged since our current file was loaded."""

    about = "the firewall table {table}"

    unit: str
    table: str
    listing: str
    """File with the listing of the kernel's table from then."""
    loaded: str
    """File with the digest of our file from then, as sha256sum prints it."""

    def script(self) -> str:
        return (
            f"sha256sum -c --status {self.loaded}"
            f" && nft -s list table {self.table} | cmp -s - {self.listing} && echo same"
        )

    def parse(self, lines: list[str]) -> bool:
        return lines == ["same"]


def loaded(
    name: str, rules: RulesState, unit_file: str, after: tuple[OperationMeta, ...] = ()
) -> OperationMeta:
    """Keep the rules of our file in force, now and after each boot."""
    unit = AskUnit(rules.unit, (unit_file,))
    expect(rules)
    expect(unit)
    return _loaded(name=name, rules=rules, unit=unit, after=after)


@operation()
def _loaded(
    rules: RulesState, unit: AskUnit, after: tuple[OperationMeta, ...]
) -> Generator[StringCommand, None, None]:
    foreseen = not is_executing() and any(map(foreseen_content, after))
    same, now = ask(rules), ask(unit)
    wrong = list(flaws(rules.unit, now))
    if not (same and now.active and now.enabled):
        found = "in the kernel is not what the file says"
        wrong.insert(0, Change(f"table {rules.table}", found, severity="critical"))
    if foreseen and not wrong:
        wrong.append(Change(f"table {rules.table}", "will have newer rules"))
    if not wrong:
        host.noop("the rules in the kernel are those of the file")
        return
    explain(*wrong)
    steps = as_described(rules.unit, now, reload=True)
    loads = f"systemctl reload-or-restart {rules.unit}"
    yield from changing(StringCommand("\n".join(["set -eu", *steps, loads])))


@dataclass(frozen=True)
class TableExists(Question[bool]):
    """Whether the unit is still active, or its table still in the kernel."""

    about = "the firewall table {table}"

    unit: str
    table: str

    def script(self) -> str:
        return (
            f"systemctl is-active {self.unit}; nft list table {self.table} >/dev/null && echo table"
        )

    def parse(self, lines: list[str]) -> bool:
        return "active" in lines or "table" in lines


def unloaded(name: str, unit: str, table: str) -> OperationMeta:
    """Keep our table out of the kernel."""
    expect(TableExists(unit, table))
    return _unloaded(name=name, unit=unit, table=table)


@operation()
def _unloaded(unit: str, table: str) -> Generator[StringCommand, None, None]:
    if not ask(TableExists(unit, table)):
        host.noop("no rules of ours in the kernel")
        return
    explain(Change(f"table {table}", "is in the kernel"))
    yield from changing(
        StringCommand(
            f"systemctl disable -q --now {unit} 2>/dev/null; systemctl daemon-reload; "
            f"nft delete table {table} 2>/dev/null; true"
        )
    )
