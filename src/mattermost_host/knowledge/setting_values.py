"""Values of Mattermost's settings: their types, and how they are written for the server.

As the server's code reads its environment: a number or Boolean that it can't parse is silently
ignored, a list is split at each blank, a table is JSON.
"""

import json
import re
from collections.abc import Callable, Mapping

from pydantic import SecretStr

WANTED = {
    "bool": "it needs True or False",
    "int": "it needs a whole number, without quotes",
    "string": "it needs a string in quotes",
    "list": "it needs a list of strings without spaces",
    "map": "it needs a table with strings as keys",
}
"""Type -> what to write."""

ONE_LINE = "it needs a text without line breaks and NUL characters"


def environment_value(value: object) -> str:
    """The value as the server reads it: lists separated by blanks, tables as JSON.

    Raises TypeError for a type that no setting has.
    """
    match value:
        case bool():
            return "true" if value else "false"
        case int() | str():
            return str(value)
        case SecretStr():
            return value.get_secret_value()
        case list() | tuple():
            return " ".join(value)
        case Mapping():
            return json.dumps(value, sort_keys=True, separators=(",", ":"))
    raise TypeError(f"no setting is a {type(value).__name__}")


def typed(kind: str, value: object) -> object:
    """``value``, with a secret's text converted to the type ``kind`` of its setting.

    The secrets file holds strings only. A text that can't be converted is returned as it is.
    """
    if not isinstance(value, SecretStr):
        return value
    text = value.get_secret_value()
    match kind:
        case "bool":
            return {"true": True, "false": False}.get(text, text)
        case "int":
            return int(text) if re.fullmatch(r"[+-]?[0-9]+", text) else text
        case "list":
            return text.split(" ")
        case "map":
            return _json(text)
    return text


def wrong(kind: str, value: object) -> str | None:
    """What to write instead of ``value`` for a setting of type ``kind``; None if it is valid."""
    value = typed(kind, value)
    if not _CHECKS[kind](value):
        return WANTED[kind]
    if isinstance(value, str) and any(character in value for character in "\n\r\0"):
        return ONE_LINE
    return None


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63


def _is_list(value: object) -> bool:
    words = value if isinstance(value, list | tuple) else [""]
    return all(isinstance(each, str) and re.fullmatch(r"[^\s\0]+", each) for each in words)


def _is_map(value: object) -> bool:
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        return False
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return False
    return True


_CHECKS: dict[str, Callable[[object], bool]] = {
    "bool": lambda value: isinstance(value, bool),
    "int": _is_int,
    "string": lambda value: isinstance(value, str),
    "list": _is_list,
    "map": _is_map,
}


def _json(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text
