"""pyinfra's global arguments of an operation, read in one look at the host's data.

pyinfra reads the annotations of its 33 global arguments for each operation on each host, and looks
for each of them in five places of the host's data, most of which make a new dictionary every time:
a seventh of the control machine's time with thirty hosts, which this leaves a fourth of.
"""

from collections.abc import Mapping
from copy import copy
from functools import cache
from importlib import import_module
from typing import Any, cast

from pyinfra.api import Host, State, arguments
from pyinfra.api.arguments import AllArguments, all_argument_meta
from pyinfra.api.exceptions import ArgumentTypeError
from pyinfra.api.util import raise_if_bad_type
from pyinfra.context import ctx_config

USERS = ("pyinfra.api.operation", "pyinfra.api.deploy", "pyinfra.api.facts")
"""The modules that have their own name for what is replaced."""

_all_global_arguments = arguments.all_global_arguments


def quicken() -> None:
    """Replace pyinfra's function by ours. May be called repeatedly."""
    arguments.all_global_arguments = all_once
    for name in USERS:
        user: Any = import_module(name)
        user.pop_global_arguments = popped


@cache
def all_once() -> list[tuple[str, type]]:
    """All global arguments with their types; pyinfra evaluates the annotations each time."""
    return _all_global_arguments()


def popped(state: State, host: Host, kwargs: dict[str, Any]) -> tuple[AllArguments, list[str]]:
    """The result of ``pyinfra.api.arguments.pop_global_arguments`` (pyinfra 3.10).

    An argument stands in ``kwargs``, from which it is taken, or in those of the deploy around, in
    the host's data or in the configuration. Returns all of them and the names of the former.
    """
    config = ctx_config.get() or state.config  # type: ignore[no-untyped-call]
    around: Mapping[str, Any] = host.current_deploy_kwargs or {}
    data = host.data.dict()  # type: ignore[no-untyped-call]
    read: dict[str, Any] = {}
    stated = [key for key, _ in all_once() if key in kwargs]
    for key, kind in all_once():
        meta = all_argument_meta[key]
        default = copy(data[key]) if key in data else meta.default(config)
        value = kwargs.pop(key) if key in kwargs else around.get(key, default)
        if meta.handler:
            value = meta.handler(config, value)
        if value != default:
            raise_if_bad_type(value, kind, ArgumentTypeError, f"Invalid argument `{key}`:")
        read[key] = value
    return cast(AllArguments, read), stated
