"""pyinfra's --limit and --exclude: a name that no host has, and nobody left, end the run.

pyinfra warns of the name, does nothing on no host, and calls that a success.
"""

from collections.abc import Iterable, Sequence
from fnmatch import fnmatch

from pyinfra.api import Host, Inventory
from pyinfra_cli import cli as command

from mattermost_host.engine import pyinfra_command
from mattermost_host.engine.inventory import unknown_hosts
from mattermost_host.support.errors import OperatorError

_matches = command._get_inventory_pattern_matches
_without = command._apply_inventory_exclude


def say_who_is_left_out() -> None:
    """Replace pyinfra's functions by ours. May be called repeatedly."""
    command._get_inventory_pattern_matches = _known
    command._apply_inventory_exclude = _somebody


def _known(inventory: Inventory, patterns: Iterable[str], option: str) -> list[Host]:
    """The hosts that the patterns name. Raises OperatorError for one that names nobody."""
    typed, names = tuple(patterns), [host.name for host in inventory]
    unknown = [one for one in typed if not _group(inventory, one) and not _any(names, one)]
    if unknown:
        told = pyinfra_command.parameters() or {}
        raise unknown_hosts(unknown, told.get("inventory"), names)
    return list(_matches(inventory, typed, option))


def _group(inventory: Inventory, name: str) -> Sequence[Host]:
    return inventory.get_group(name, ())


def _any(names: Iterable[str], pattern: str) -> bool:
    return any(fnmatch(name, pattern) for name in names)


def _somebody(
    inventory: Inventory, limit: list[Host] | None, exclude: Iterable[str] | None
) -> list[Host] | None:
    left: list[Host] | None = _without(inventory, limit, exclude)
    if left == []:
        raise OperatorError("no host is left; leave out --exclude, or name another host there")
    return left
