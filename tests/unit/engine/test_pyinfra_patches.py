"""What was made quick says and does what pyinfra's own does."""

import os
import socket
import sys
from collections.abc import Iterator
from importlib import import_module
from types import SimpleNamespace
from typing import Any, cast
from unittest import mock

import gevent
import paramiko
import pyinfra
import pytest
from pyinfra.api import arguments, util
from pyinfra.api.state import State
from pyinfra.connectors import ssh, ssh_util
from pyinfra.connectors import util as processes
from pyinfra.connectors.ssh import SSHConnector

from mattermost_host.engine import host_keys, pyinfra_arguments, pyinfra_patches, shell, unreachable
from mattermost_host.support.errors import OperatorError


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
    for place, replaced in (
        (arguments, "all_global_arguments"),
        *((import_module(user), "pop_global_arguments") for user in pyinfra_arguments.USERS),
        (paramiko.util, "constant_time_bytes_eq"),
        (processes, "read_buffer"),
        (ssh, "raise_connect_error"),
        (ssh_util, "getpass"),
    ):
        monkeypatch.setattr(place, replaced, getattr(place, replaced))
    monkeypatch.setattr(gevent.get_hub(), "NOT_ERROR", gevent.get_hub().NOT_ERROR)
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


def test_why_a_host_is_not_reached_is_said_by_us(quickened: None) -> None:
    assert ssh.raise_connect_error is unreachable._raise
    assert ssh_util.getpass is unreachable._passphrase


def test_operations_use_it(quickened: None) -> None:
    operation: Any = import_module("pyinfra.api.operation")
    assert operation.get_operation_order_from_stack is pyinfra_patches.from_frames
    for user in pyinfra_arguments.USERS:
        assert import_module(user).pop_global_arguments is pyinfra_arguments.popped


def test_equal_bytes_are_equal(quickened: None) -> None:
    assert paramiko.util.constant_time_bytes_eq(b"mac", b"mac")
    assert not paramiko.util.constant_time_bytes_eq(b"mac", b"mac2")


def test_a_connection_sends_at_once(quickened: None) -> None:
    connector = SSHConnector.__new__(SSHConnector)
    connector.data = {"ssh_key": None}  # type: ignore[typeddict-item]
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
        assert line.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE), "its host may lose power"
        for name, value in unreachable.PROBES.items():
            assert line.getsockopt(socket.IPPROTO_TCP, getattr(socket, name)) == value


def test_a_way_through_a_jump_host_stays_as_it_is() -> None:
    channel = mock.Mock(spec=paramiko.Channel)
    assert pyinfra_patches._transport_at_once(channel).sock is channel


def test_a_command_that_waits_says_so_while_it_runs(
    quickened: None, capfd: pytest.CaptureFixture[str]
) -> None:
    shown: list[str] = []

    def lines() -> Iterator[bytes]:
        yield b"before\n"
        yield f"{shell.PROGRESS}waiting for another apt\n".encode()
        shown.append(capfd.readouterr().err)
        yield b"after\n"

    kept = processes.read_output_buffers(lines(), [], None, False, "[h1] ")
    assert shown == ["[h1] waiting for another apt\n"]
    assert kept.stdout_lines == ["before", "after"]
    assert capfd.readouterr().err == ""


def test_a_sentence_for_the_operator_is_no_traceback(
    quickened: None, capfd: pytest.CaptureFixture[str]
) -> None:
    def sentence() -> None:
        raise OperatorError("h1 gave no answer")

    with pytest.raises(OperatorError, match="h1 gave no answer"):
        gevent.spawn(sentence).get()
    assert capfd.readouterr().err == ""
