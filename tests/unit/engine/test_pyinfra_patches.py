"""What was made quick says and does what pyinfra's own does."""

import os
import socket
import sys
from importlib import import_module
from types import SimpleNamespace
from typing import Any, cast
from unittest import mock

import paramiko
import pyinfra
import pytest
from pyinfra.api import util
from pyinfra.api.state import State
from pyinfra.connectors.ssh import SSHConnector

from mattermost_host.engine import host_keys, pyinfra_patches


def _both(deploy: str | None) -> tuple[list[int], list[int]]:
    """By pyinfra and by ours, from one line."""
    state = cast(State, SimpleNamespace(current_deploy_filename=deploy, current_op_file_number=7))
    look, quick = util.get_operation_order_from_stack, pyinfra_patches.from_frames
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


@pytest.fixture
def quickened(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only for one test: the others see pyinfra as it is."""
    operation = import_module("pyinfra.api.operation")
    name = "get_operation_order_from_stack"
    monkeypatch.setattr(operation, name, getattr(operation, name))
    name = "make_paramiko_kwargs"
    monkeypatch.setattr(SSHConnector, name, getattr(SSHConnector, name))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    pyinfra_patches.quicken()
    pyinfra_patches.quicken()


def test_python_keeps_what_it_compiles_in_a_folder_of_its_own(
    quickened: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    forbidden = bool(sys.flags.dont_write_bytecode)
    assert sys.dont_write_bytecode == forbidden
    monkeypatch.setattr(os, "geteuid", lambda: 4711)
    pyinfra_patches.quicken()
    assert sys.dont_write_bytecode


def test_operations_use_it(quickened: None) -> None:
    operation: Any = import_module("pyinfra.api.operation")
    assert operation.get_operation_order_from_stack is pyinfra_patches.from_frames


def test_a_connection_sends_at_once(quickened: None) -> None:
    connector = SSHConnector.__new__(SSHConnector)
    connector.data = {}  # type: ignore[typeddict-item]
    told = {"port": 22, "hostname": "h1"}
    with (
        mock.patch.object(pyinfra_patches, "_paramiko_kwargs", lambda connector: told),
        mock.patch.object(host_keys, "prepare"),
    ):
        arguments = connector.make_paramiko_kwargs()
    assert arguments["port"] == 22
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as line,
    ):
        transport = arguments["transport_factory"](line, disabled_algorithms=None)
        assert isinstance(transport, paramiko.Transport)
        assert line.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_way_through_a_jump_host_stays_as_it_is() -> None:
    channel = mock.Mock(spec=paramiko.Channel)
    assert pyinfra_patches._transport_at_once(channel).sock is channel
