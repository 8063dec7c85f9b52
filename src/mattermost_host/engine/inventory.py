"""Reading an inventory: plain data, the same file that pyinfra reads."""

import runpy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mattermost_host.support.errors import Mistake, OperatorError

ROLES = ("app", "db", "proxy")
OPS = "ops"
"""The group of the machine that looks for drift where it is not this one; nothing is deployed."""


@dataclass(frozen=True)
class SiteHost:
    """A host of the inventory: its name for pyinfra, its roles, its connection data."""

    name: str
    roles: tuple[str, ...]
    data: Mapping[str, Any]


@dataclass(frozen=True)
class Inventory:
    """What stands in an inventory file."""

    path: Path
    description: Mapping[str, Any]
    hosts: tuple[SiteHost, ...]
    mistakes: tuple[Mistake, ...]
    ops: tuple[SiteHost, ...] = ()
    """Hosts that look for drift; they may have roles, too."""


def read(path: Path) -> Inventory:
    """Execute the inventory and take ``site`` and the groups out of it.

    Raises OperatorError where it can't be read.
    """
    names = _execute(path)
    mistakes: list[Mistake] = []
    description = names.get("site")
    if not isinstance(description, dict):
        found = "nothing" if description is None else type(description).__name__
        mistakes.append(Mistake("site", found, 'write site = {"url": "https://…", "users": …}'))
        description = {}
    hosts = _hosts({name: value for name, value in names.items() if name != OPS}, mistakes)
    ops = tuple(SiteHost(name, (), data) for name, data in _members(names.get(OPS, [])))
    return Inventory(path, description, hosts, tuple(mistakes), ops)


def _execute(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise OperatorError(f"there is no inventory {path}; see inventories/single.py for one")
    try:
        return runpy.run_path(str(path))
    except Exception as error:
        raise OperatorError(
            f"{path} can't be read: {type(error).__name__}: {error}; correct the file, it is Python"
        ) from error


def _hosts(names: Mapping[str, Any], mistakes: list[Mistake]) -> tuple[SiteHost, ...]:
    """The hosts in the order of the file, from pyinfra's groups (lists, or lists with data)."""
    roles: dict[str, list[str]] = {}
    data: dict[str, dict[str, Any]] = {}
    for group, value in names.items():
        if group.startswith("_") or not isinstance(value, list | tuple):
            continue
        for name, told in _members(value):
            roles.setdefault(name, [])
            data.setdefault(name, {}).update(told)
            if group in ROLES:
                roles[name].append(group)
    mistakes.extend(_role_mistakes(names, roles))
    return tuple(SiteHost(name, tuple(roles[name]), data[name]) for name in roles)


def _members(group: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and connection data of each host of a group."""
    members, shared = group if isinstance(group, tuple) else (group, {})
    for member in members:
        name, own = member if isinstance(member, tuple) else (member, {})
        yield name, {**shared, **own}


def _role_mistakes(names: Mapping[str, Any], roles: Mapping[str, list[str]]) -> list[Mistake]:
    mistakes = [
        Mistake(
            f'host "{name}"',
            "no role",
            f"put it into at least one of the lists {', '.join(ROLES)}",
        )
        for name, held in roles.items()
        if not held
    ]
    for role in ROLES:
        members = [name for name, held in roles.items() if role in held]
        if not members and not (role == "db" and _external_database(names)):
            mistakes.append(Mistake(role, "no host", f'write {role} = ["name-of-a-host"]'))
    partly = {name: held for name, held in roles.items() if held and len(held) < len(ROLES)}
    if len(roles) > 1 and partly:
        spread = ", ".join(f"{name} ({' and '.join(held)})" for name, held in partly.items())
        mistakes.append(
            Mistake(
                "hosts",
                f"roles spread over hosts: {spread}",
                "put each host into all roles; this version deploys whole hosts only, of which "
                "each is a server of its own",
            )
        )
    return mistakes


def _external_database(names: Mapping[str, Any]) -> bool:
    site = names.get("site")
    postgres = site.get("postgres") if isinstance(site, dict) else None
    return isinstance(postgres, dict) and bool(postgres.get("dsn"))
