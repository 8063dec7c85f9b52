"""What engine/ relies on in pyinfra, by name: another pyinfra fails here, and says with what.

pyinfra promises none of this to anybody but its own command. A failure names the part of engine/
that has to be adapted before the bounds in pyproject.toml may be widened.
"""

import ast
import inspect
import json
import subprocess
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import paramiko
import pyinfra
import pytest
from pyinfra.api import Config, Host, Inventory, State, StringCommand, operation
from pyinfra.api.arguments import pop_global_arguments
from pyinfra.api.connect import connect_all
from pyinfra.api.operations import run_ops
from pyinfra.api.state import StateStage
from pyinfra.connectors import util as connectors_util
from pyinfra.context import ctx_host, ctx_inventory, ctx_state
from pyinfra_cli.exceptions import CliError

ENGINE = Path(__file__).parents[3] / "src" / "mattermost_host" / "engine"

CALLS: dict[tuple[str, str], str] = {
    ("pyinfra.api.arguments", "all_global_arguments"): "",
    ("pyinfra.api.arguments", "pop_global_arguments"): "state host kwargs",
    ("pyinfra.api.operation", "get_operation_order_from_stack"): "state",
    ("pyinfra.api.operations", "run_ops"): "state serial no_wait",
    ("pyinfra.api.util", "get_operation_order_from_stack"): "state",
    ("pyinfra.connectors.local", "LocalConnector.run_shell_command"): (
        "self command print_output print_input arguments"
    ),
    ("pyinfra.connectors.local", "execute_command_with_sudo_retry"): (
        "host command_arguments execute_command"
    ),
    ("pyinfra.connectors.local", "make_unix_command_for_host"): (
        "state host command command_arguments"
    ),
    ("pyinfra.connectors.ssh", "SSHConnector.make_paramiko_kwargs"): "self",
    ("pyinfra.connectors.ssh", "SSHConnector.run_shell_command"): (
        "self command print_output print_input arguments"
    ),
    ("pyinfra.connectors.ssh", "execute_command_with_sudo_retry"): (
        "host command_arguments execute_command"
    ),
    ("pyinfra.connectors.ssh", "raise_connect_error"): "host message data",
    ("pyinfra.connectors.ssh", "write_stdin"): "stdin buffer",
    ("pyinfra.connectors.ssh_util", "getpass"): "prompt stream",
    ("pyinfra.connectors.util", "read_buffer"): "name io output_queue print_output print_func",
    ("pyinfra.connectors.util", "write_stdin"): "stdin buffer",
    ("pyinfra.connectors.ssh", "make_unix_command_for_host"): (
        "state host command command_arguments"
    ),
    ("pyinfra.connectors.sshuserclient.client", "AcceptNewPolicy.missing_host_key"): (
        "self client hostname key"
    ),
    ("pyinfra.connectors.sshuserclient.client", "append_hostkey"): "client hostname key",
    ("pyinfra.connectors.sshuserclient.client", "get_host_keys"): "filenames",
    ("pyinfra.connectors.sshuserclient.client", "get_ssh_config"): "user_config_file",
    ("pyinfra.api.util", "raise_if_bad_type"): "value type_ exception message_prefix",
    ("pyinfra.api", "Host.connect"): "self reason show_errors raise_exceptions",
    ("pyinfra.api", "Host.get_fact"): "self name_or_cls args kwargs",
    ("pyinfra_cli.cli", "_apply_inventory_exclude"): "inventory initial_limit exclude",
    ("pyinfra_cli.cli", "_get_inventory_pattern_matches"): "inventory patterns option_name",
    ("pyinfra_cli.cli", "_set_override_data"): (
        "data ssh_user ssh_key ssh_key_password ssh_port ssh_password"
    ),
    ("pyinfra_cli.inventory", "_get_groups_from_filename"): "inventory_filename",
    ("pyinfra_cli.inventory", "make_inventory_from_files"): (
        "inventory_filename override_data cwd group_data_directories"
    ),
    ("pyinfra_cli.log", "setup_logging"): "log_level other_log_level",
    ("pyinfra_cli.util", "load_deploy_file"): "state filename",
}
"""Functions that are called or replaced, with their parameters."""

NAMES: dict[str, str] = {
    "pyinfra": "is_cli logger state",
    "pyinfra.api": (
        "Config FunctionCommand Host Inventory QuoteString State StringCommand arguments util"
    ),
    "pyinfra.api.arguments": "AllArguments all_argument_meta auth_argument_meta",
    "pyinfra.api.deploy": "pop_global_arguments",
    "pyinfra.api.exceptions": "ArgumentTypeError ConnectError PyinfraError",
    "pyinfra.api.facts": "pop_global_arguments",
    "pyinfra.api.operation": "OperationMeta pop_global_arguments",
    "pyinfra.api.state": "State StateStage",
    "pyinfra.api.util": "PYINFRA_INSTALL_DIR",
    "pyinfra.connectors": "local ssh ssh_util util",
    "pyinfra.connectors.base": "BaseConnector",
    "pyinfra.connectors.local": "LocalConnector",
    "pyinfra.connectors.ssh": "ConnectorData SSHConnector",
    "pyinfra.connectors.sshuserclient": "client",
    "pyinfra.connectors.util": (
        "SUDO_PASSWORD_REQUIRED_LINES CommandOutput make_unix_command run_local_process"
    ),
    "pyinfra.context": "ctx_config ctx_host ctx_inventory ctx_state",
    "pyinfra_cli": "cli inventory util",
    "pyinfra_cli.exceptions": "CliError UnexpectedExternalError",
    "pyinfra_cli.util": "PYTHON_CODES",
}
"""Everything else that is imported or set."""

ATTRIBUTES: dict[str, str] = {
    "state": (
        "activate_host active_hosts check_for_changes config current_deploy_filename "
        "current_op_file_number current_stage cwd failed_hosts get_op_data_for_host get_op_meta "
        "inventory is_executing op_meta ops pool set_stage"
    ),
    "host": (
        "connect connected connector connector_data current_deploy_kwargs current_op_hash data "
        "disconnect "
        "groups name noop op_hash_order print_prefix put_file run_shell_command state"
    ),
    "inventory": "data get_active_hosts get_host group_data host_data",
    "host.data": "dict get",
}
"""What a run, its hosts and its inventory have."""


def _broken(what: str, user: str) -> str:
    return (
        f"pyinfra {version('pyinfra')} {what}; engine/{user} relies on it. Use the pyinfra that "
        "pyproject.toml names, or adapt engine/ and this test"
    )


def _users(name: str) -> str:
    found = [path.name for path in sorted(ENGINE.glob("*.py")) if name in path.read_text()]
    return " and ".join(found) or "questions.py"


def _found(module: str, name: str) -> Any:
    found: Any = import_module(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    return found


SIGNATURES = """
import inspect, json, sys
from importlib import import_module
said = []
for module, name in json.load(sys.stdin):
    found = import_module(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    parameters = found and " ".join(inspect.signature(inspect.unwrap(found)).parameters)
    said.append(parameters)
json.dump(said, sys.stdout)
"""


@cache
def _signatures() -> dict[tuple[str, str], str | None]:
    """Asked in a process of its own: here other tests may have replaced some of them."""
    argv = [sys.executable, "-c", SIGNATURES]
    done = subprocess.run(
        argv, input=json.dumps(list(CALLS)), capture_output=True, text=True, check=True
    )
    return dict(zip(CALLS, json.loads(done.stdout), strict=True))


@pytest.mark.parametrize(("module", "name"), CALLS)
def test_what_is_called_is_called_so(module: str, name: str) -> None:
    user = _users(name.rpartition(".")[2])
    parameters = _signatures()[module, name]
    assert parameters is not None, _broken(f"has no {module}.{name}", user)
    wanted = CALLS[module, name]
    assert parameters == wanted, _broken(f"calls {module}.{name} with ({parameters})", user)


@pytest.mark.parametrize("module", NAMES)
def test_what_is_imported_is_there(module: str) -> None:
    for name in NAMES[module].split():
        missing = _broken(f"has no {module}.{name}", _users(name))
        if _found(module, name) is None:
            # A submodule, which its package does not name by itself.
            assert import_module(f"{module}.{name}"), missing


def test_every_import_of_engine_stands_here() -> None:
    """Whoever uses more of pyinfra writes it down, too."""
    known = {f"{module}.{name}" for module, names in NAMES.items() for name in names.split()}
    known |= {f"{module}.{name.partition('.')[0]}" for module, name in CALLS}
    used = {
        f"{node.module}.{name.name}"
        for path in ENGINE.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("pyinfra")
        for name in node.names
    }
    assert used - known == set()


@pytest.mark.parametrize("owner", ATTRIBUTES)
def test_what_a_run_has(owner: str) -> None:
    with _run() as (state, host):
        owners = {
            "state": state,
            "host": host,
            "inventory": state.inventory,
            "host.data": host.data,
        }
        for name in ATTRIBUTES[owner].split():
            missing = _broken(f"has no {owner}.{name}", _users(f".{name}"))
            assert hasattr(owners[owner], name), missing


@contextmanager
def _run(**data: Any) -> Iterator[tuple[State, Host]]:
    told = {"fake_delay": 0, "fake_delay_jitter": 0, **data}
    inventory = Inventory((["@fake/h1"], {}), override_data=told)  # type: ignore[no-untyped-call]
    config = Config()  # type: ignore[no-untyped-call]
    state = State(inventory, config, check_for_changes=False)
    (host,) = inventory
    with ctx_state.use(state), ctx_inventory.use(inventory), ctx_host.use(host):
        connect_all(state)
        state.set_stage(StateStage.Prepare)
        yield state, host


@operation()
def _change(command: str) -> Generator[StringCommand, None, None]:
    yield StringCommand(command)


def test_an_operation_taken_out_of_a_run_is_not_carried_out() -> None:
    """How healing leaves out what is not safe."""
    with _run() as (state, host):
        _change(name="first", command="one")
        _change(name="second", command="two")
        first, _ = host.op_hash_order
        del state.ops[host][first]
        state.set_stage(StateStage.Execute)
        run_ops(state)
        done = list(host.connector.executed_commands)  # type: ignore[attr-defined]
    assert ["two" in one for one in done] == [True], _broken("carries it out", "run.py")


def test_an_operation_is_evaluated_without_being_carried_out() -> None:
    """How a plan is made."""
    with _run() as (state, host):
        _change(name="first", command="one")
        (digest,) = host.op_hash_order
        meta = state.get_op_data_for_host(host, digest).operation_meta
        assert meta.will_change, _broken("does not evaluate an operation", "run.py")
        assert state.get_op_meta(digest).names == {"first"}
        assert meta._hash == digest, _broken("names an operation otherwise", "explanations.py")
        assert host.connector.executed_commands == []  # type: ignore[attr-defined]


def test_a_host_s_data_go_before_config_py() -> None:
    """How it is known who becomes root how."""
    with _run(_sudo=False, _su_user="root") as (state, host):
        state.config.SUDO = True
        told, _ = pop_global_arguments(state, host, {})
    assert (told["_sudo"], told["_su_user"]) == (False, "root"), _broken(
        "reads arguments in another order", "root.py"
    )


def test_a_command_without_users_is_one_shell() -> None:
    """Who runs it is added by root.py."""
    made = connectors_util.make_unix_command(
        StringCommand("a b"), _env={"X": "1"}, _chdir="/c", _shell_executable=None
    )
    raw = made.get_raw_value()
    assert raw == "cd /c && export X=1 && a b", _broken(f"makes {raw}", "root.py")


def test_it_becomes_root_by_the_arguments_that_we_take_over() -> None:
    """An argument that is new would be lost."""
    ours = {
        "_sudo",
        "_sudo_user",
        "_use_sudo_login",
        "_sudo_password",
        "_preserve_sudo_env",
        "_su_user",
        "_use_su_login",
        "_preserve_su_env",
        "_su_shell",
        "_su_password",
        "_doas",
        "_doas_user",
        "_dzdo",
        "_dzdo_user",
    }
    found = set(import_module("pyinfra.api.arguments").auth_argument_meta)
    assert found == ours, _broken(f"has other arguments: {found ^ ours}", "root.py")


def test_its_command_prints_our_errors_as_sentences() -> None:
    from mattermost_host.support.errors import OperatorError

    assert issubclass(OperatorError, CliError)
    source = inspect.getsource(import_module("pyinfra_cli.cli").cli.callback)
    assert "except (CliError" in source, _broken("does not pass on CliError", "../support/errors")


def test_the_first_key_of_a_host_is_accepted_unless_said_otherwise() -> None:
    meta = import_module("pyinfra.connectors.ssh").SSHConnector.data_meta
    default = meta["ssh_strict_host_key_checking"].default
    assert default == "accept-new", _broken(f"has the default {default}", "host_keys.py")


def test_paramiko_s_transport_takes_a_factory_and_a_key_its_fingerprint() -> None:
    parameters = inspect.signature(paramiko.SSHClient.connect).parameters
    assert "transport_factory" in parameters
    assert paramiko.RSAKey.generate(1024).fingerprint.startswith("SHA256:")


def test_outside_of_its_command_it_does_not_order_by_lines() -> None:
    assert pyinfra.is_cli is False, _broken("thinks that it is a command", "run.py")
