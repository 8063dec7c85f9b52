"""The quick look at the call stack says what pyinfra's own says."""

from importlib import import_module
from types import SimpleNamespace
from typing import Any, cast

import pyinfra
import pytest
from pyinfra.api import util
from pyinfra.api.state import State

from mattermost_host import operation_order


def _both(deploy: str | None) -> tuple[list[int], list[int]]:
    """By pyinfra and by ours, from one line."""
    state = cast(State, SimpleNamespace(current_deploy_filename=deploy, current_op_file_number=7))
    look, quick = util.get_operation_order_from_stack, operation_order.from_frames
    return look(state), quick(state)


def _deeper(deploy: str | None) -> tuple[list[int], list[int]]:
    return _both(deploy)


@pytest.mark.parametrize("cli", [True, False])
@pytest.mark.parametrize("deploy", [__file__, "no/such/deploy.py", None])
def test_it_says_the_same(deploy: str | None, cli: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pyinfra, "is_cli", cli)
    theirs, ours = _deeper(deploy)
    assert ours == theirs
    assert cli == (7 in ours)


def test_other_lines_are_another_order() -> None:
    first = _both(__file__)
    second = _both(__file__)
    assert first[1] != second[1]


def test_operations_use_it() -> None:
    operation: Any = import_module("pyinfra.api.operation")
    before = operation.get_operation_order_from_stack
    try:
        operation_order.quicken()
        assert operation.get_operation_order_from_stack is operation_order.from_frames
    finally:
        operation.get_operation_order_from_stack = before
