"""The data of a host in an inventory: pyinfra's keys and ours, and their types."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from ipaddress import ip_address
from typing import Any, get_args, get_origin, get_type_hints

from pyinfra.api.arguments import all_global_arguments
from pyinfra.connectors.ssh import ConnectorData

from mattermost_host.engine import connect_arguments
from mattermost_host.support.addresses import without_secrets
from mattermost_host.support.errors import Mistake

OURS: Mapping[str, type] = {"private_address": str, "priority": int}
"""Our keys: the address that the other hosts use, and the rank among hosts of its role."""
UNUSABLE = {"_get_pty": "scripts are sent on standard input", "_stdin": "we send our own"}
NAME = re.compile(r"\w[\w.-]{0,252}")
"""A host's name, or an alias in ssh's configuration; never an ssh option or two words."""
LONGEST_NUMBER = 64
"""Bits of a number that a sentence repeats; Python writes out no number of 5,000 digits."""
LABEL = 63
"""Characters between two dots of a name, by RFC 1035; a resolver takes no more."""
USER = re.compile(r"[\w.][\w.@+$\\-]{0,127}")
ACCOUNT = re.compile(r"[\w.][\w.@+$-]{0,127}")
CHOICES = {
    "ssh_strict_host_key_checking": ("yes", "accept-new", "ask", "no", "off"),
    "ssh_file_transfer_protocol": ("sftp", "scp"),
}
KWARGS = "ssh_paramiko_connect_kwargs"
PORTS, PRIORITIES = range(1, 65536), range(1, 256)
TRIES, LIMITS_S, AT_ONCE = range(101), range(604801), range(1001)


@dataclass(frozen=True)
class Connection:
    """How to log in to a host, from its inventory; None: ssh's default."""

    hostname: str | None = None
    port: int | None = None
    user: str | None = None
    key: str | None = None
    config_file: str | None = None
    known_hosts_file: str | None = None

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> "Connection":
        """The connection settings in the data of a host."""
        return cls(**{name: data.get(f"ssh_{name}") for name in cls.__dataclass_fields__})


@cache
def known() -> dict[str, Any]:
    """Every key that the data of a host may have, with its type as declared by pyinfra."""
    arguments = {key: kind for key, kind in all_global_arguments() if key.startswith("_")}
    return {**get_type_hints(ConnectorData), **arguments, **OURS}


def mistakes(owner: str, data: Mapping[Any, Any]) -> Iterator[Mistake]:
    """The unknown keys and invalid values in ``data``, which is at ``owner`` in the inventory.

    Values that could be secret are not shown.
    """
    for key, value in data.items():
        yield from _of_key(f"{owner}: {key}" if isinstance(key, str) else owner, key, value)


def sound(data: Mapping[Any, Any]) -> dict[str, Any]:
    """The data without mistakes, for what is looked at beside them."""
    return {key: value for key, value in data.items() if not any(_of_key("", key, value))}


def _of_key(path: str, key: Any, value: Any) -> Iterator[Mistake]:
    types = known()
    if key not in types:
        yield Mistake(path, "an unknown key", _near(key, types))
    elif key in UNUSABLE:
        yield Mistake(path, "a key that can't be used here", f"{UNUSABLE[key]}; remove it")
    elif not _fits(value, types[key]) or value == "":
        found = "an empty text" if value == "" else _kind(key, value)
        yield Mistake(path, found, f"write {_wanted(types[key])}, or leave the key out")
    elif key == KWARGS:
        yield from connect_arguments.mistakes(path, value)
    elif key in RULES and not RULES[key][0](value):
        yield Mistake(path, _repeated(key, value), RULES[key][1])


def host_name_mistake(name: str) -> str:
    """What is wrong with a host's name, as the predicate of a sentence; empty if it is valid."""
    return "" if _is_host(name) else "is not the name or address of a host"


def _near(key: object, types: Mapping[str, Any]) -> str:
    close = get_close_matches(str(key), types, 3, 0.7)
    if close:
        return f"write {' or '.join(close)}"
    ours = ", ".join(OURS)
    return f"known keys are pyinfra's ssh_… and _sudo… keys, and {ours}; remove it"


def _fits(value: object, kind: Any) -> bool:
    plain = get_origin(kind) or kind
    if kind in {int, float}:
        allowed = int if kind is int else (int, float)
        return isinstance(value, allowed) and not isinstance(value, bool)
    if isinstance(plain, type) and plain in {str, bool, dict, list}:
        return isinstance(value, plain)
    return value is not None  # pyinfra checks it when it is used


def _repeated(key: str, value: object) -> str:
    if isinstance(value, str):
        return repr(without_secrets(value))
    plain = isinstance(value, int | float) and not _is_long(value)
    return repr(value) if plain else _kind(key, value)


def _is_long(value: object) -> bool:
    return isinstance(value, int) and value.bit_length() > LONGEST_NUMBER


def _kind(key: str, value: object) -> str:
    if value is None:
        return "None"
    if _is_long(value):
        return "a number of more than 19 digits"
    name = type(value).__name__
    number = isinstance(value, bool | int | float) or (isinstance(value, str) and value.isdigit())
    if number and "password" not in key:
        return f"{value!r} ({name})"
    return f"a value of type {name}"


def _wanted(kind: Any) -> str:
    plain = get_origin(kind) or kind
    words = {
        str: 'a text: "…"',
        int: "a whole number, without quotes",
        float: "a number",
        bool: "True or False",
    }
    if plain in words:
        return words[plain]
    return f"a {getattr(plain, '__name__', None) or ' or '.join(map(str, get_args(kind)))}"


def _is_address(value: str) -> bool:
    try:
        ip_address(value.partition("%")[0])
    except ValueError:
        return False
    return not value.startswith("-") and NAME.fullmatch(value.partition("%")[2] or "x") is not None


def _is_host(value: str) -> bool:
    labels = value.rstrip(".").split(".")
    named = NAME.fullmatch(value) and all(0 < len(label) <= LABEL for label in labels)
    return bool(named) or _is_address(value)


def _up_to(numbers: range) -> tuple[Callable[[Any], bool], str]:
    words = f"write a whole number from {numbers[0]} to {numbers[-1]}"
    return numbers.__contains__, words


def _one_of(key: str) -> tuple[Callable[[Any], bool], str]:
    return CHOICES[key].__contains__, f"write one of {', '.join(CHOICES[key])}"


_A_USER = (
    lambda value: USER.fullmatch(value) is not None,
    'write the name of a user, such as "root"',
)
_AN_ACCOUNT = (
    lambda value: ACCOUNT.fullmatch(value) is not None,
    'write the name of an account on the host, such as "root"',
)
_SECONDS = connect_arguments.are_seconds, f"write {connect_arguments.SECONDS}"
RULES: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "ssh_hostname": (_is_host, "write the name or the address of a host"),
    "ssh_port": (PORTS.__contains__, "write a port from 1 to 65535"),
    "ssh_user": _A_USER,
    "_sudo_user": _AN_ACCOUNT,
    "_su_user": _AN_ACCOUNT,
    "_doas_user": _AN_ACCOUNT,
    "_dzdo_user": _AN_ACCOUNT,
    "private_address": (_is_address, "write an IP address, such as 10.0.0.5"),
    "priority": _up_to(PRIORITIES),
    "ssh_connect_retries": _up_to(TRIES),
    "ssh_connect_retry_min_delay": _SECONDS,
    "ssh_connect_retry_max_delay": _SECONDS,
    "_timeout": _up_to(LIMITS_S),
    "_retries": _up_to(TRIES),
    "_retry_delay": _SECONDS,
    "_parallel": _up_to(AT_ONCE),
    **{key: _one_of(key) for key in CHOICES},
}
"""Key -> what its value must be, beyond its type. These keys hold no secrets: the value is shown.
"""
