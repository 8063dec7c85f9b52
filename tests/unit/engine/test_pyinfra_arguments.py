"""Global arguments of an operation: ours finds each where pyinfra finds it."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
from pyinfra.api import Config, Host, Inventory, State, arguments
from pyinfra.api.arguments import pop_global_arguments
from pyinfra.api.exceptions import ArgumentTypeError
from pyinfra.context import ctx_config

from mattermost_host.engine import pyinfra_arguments


@pytest.fixture
def state() -> Iterator[State]:
    """A run of one host, with arguments among the data of host, group and all, and config.py's."""
    hosts = ([("h1", {"_su_user": "admin", "_env": {"A": "1"}}), "h2"], {"_sudo": True})
    groups = {"app": (["h1"], {"_sudo": False, "_shell_executable": "bash"})}
    inventory = Inventory(hosts, **groups)  # type: ignore[no-untyped-call]
    config = Config(SUDO_USER="root", RETRY=2, ENV={"B": "2"})  # type: ignore[no-untyped-call]
    with ctx_config.use(config):
        yield State(inventory, config)


def _both(state: State, host: Host, kwargs: dict[str, Any]) -> list[Any]:
    """What pyinfra and what ours makes of it, and what is left in ``kwargs``."""
    found = []
    for reader in (pop_global_arguments, pyinfra_arguments.popped):
        left = deepcopy(kwargs)
        found.append((reader(state, host, left), left))
    return found


@pytest.mark.parametrize("name", ["h1", "h2"])
@pytest.mark.parametrize(
    "kwargs", [{}, {"name": "one", "path": "/x", "_sudo": False}, {"_env": {"C": "3"}}]
)
@pytest.mark.parametrize("around", [None, {"_timeout": 5, "_sudo": False, "_env": {"D": "4"}}])
def test_it_reads_what_pyinfra_reads(
    state: State, name: str, kwargs: dict[str, Any], around: dict[str, Any] | None
) -> None:
    host = state.inventory.get_host(name)
    host.current_deploy_kwargs = around  # type: ignore[assignment]
    theirs, ours = _both(state, host, kwargs)
    assert ours == theirs
    (read, stated), left = ours
    assert set(read) == {key for key, _ in arguments.all_global_arguments()}
    assert set(stated) | set(left) == set(kwargs)


def test_what_a_deploy_sets_on_a_host_goes_before_its_data(state: State) -> None:
    host = state.inventory.get_host("h1")
    host.data._su_user = "other"
    theirs, ours = _both(state, host, {})
    assert ours == theirs
    assert ours[0][0]["_su_user"] == "other"


def test_what_is_read_is_a_copy(state: State) -> None:
    host = state.inventory.get_host("h1")
    host.data._success_exit_codes = [0, 1]
    read: Any = pyinfra_arguments.popped(state, host, {})[0]
    read["_success_exit_codes"].append(2)
    assert host.data._success_exit_codes == [0, 1]


def test_a_value_of_another_type_is_refused_as_pyinfra_does(state: State) -> None:
    host = state.inventory.get_host("h1")
    said = []
    for reader in (pop_global_arguments, pyinfra_arguments.popped):
        with pytest.raises(ArgumentTypeError) as refused:
            reader(state, host, {"_sudo": "yes"})
        said.append(str(refused.value))
    assert said[0] == said[1]
    assert "`_sudo`" in said[0]


def test_all_arguments_are_read_once() -> None:
    assert pyinfra_arguments.all_once() == pyinfra_arguments._all_global_arguments()
    assert pyinfra_arguments.all_once() is pyinfra_arguments.all_once()
