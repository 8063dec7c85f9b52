"""What the verification says of units that hang, of their files and of accounts."""

import pytest

from mattermost_host.knowledge.surface import Unit
from mattermost_host.ops.account import NO_SHELL, Found, Wanted
from mattermost_host.ops.unit_state import UnitState
from tests.host import judge

UNITS = (Unit("x.service", probe="true"), Unit("y.service"))
WANTED = Wanted("x", home="/x")
RIGHT = Found("/x", NO_SHELL, ("x",))


def test_a_unit_that_answers_and_one_that_can_not_be_asked() -> None:
    assert [*judge.answering(UNITS, {"x.service"})] == []


def test_a_unit_that_hangs_is_named() -> None:
    assert [*judge.answering(UNITS, ())] == ["x.service: expected an answer, found none within 3 s"]


@pytest.mark.parametrize(
    ("state", "part"),
    [
        (UnitState(active=True, suspended=True), "found its process stopped by a signal"),
        (UnitState(active=True, lowered=("may open fewer files",)), "that it may open fewer files"),
        (UnitState(active=True, overriding=("/run/x.conf",)), "found also /run/x.conf"),
        (UnitState(active=True, masks=("/run/x",)), "found also /run/x"),
        (UnitState(active=True, to_restart=("/etc/x",)), "/etc/x newer than its last start"),
    ],
)
def test_a_unit_that_is_not_as_described_is_named(state: UnitState, part: str) -> None:
    [sentence] = judge.current_files("x.service", state)
    assert part in sentence


@pytest.mark.parametrize(
    ("found", "part"),
    [
        (None, "found none of that name"),
        (Found("/x", "/bin/sh", ("x",)), "that it has shell /bin/sh"),
        (Found("/x", NO_SHELL, ("x", "sudo")), "that it is in sudo"),
        (Found("/x", NO_SHELL, ("x",), password=True), "that it has a password"),
        (Found("/x", NO_SHELL, ("x",), twins=("y",)), "that it has the same number as y"),
    ],
)
def test_an_account_that_may_more_is_named(found: Found | None, part: str) -> None:
    [sentence] = judge.account(WANTED, found)
    assert part in sentence


def test_an_account_as_described() -> None:
    assert [*judge.account(WANTED, RIGHT)] == []
