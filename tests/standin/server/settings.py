"""The configuration: config.json, rewritten at each start, under the MM_* variables."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mattermost_standin import TREE, StartError, find

Values = dict[str, Any]
"""Values by the documented name, such as ServiceSettings.SiteURL."""

GENERATED = (
    "FileSettings.PublicLinkSalt",
    "SqlSettings.AtRestEncryptKey",
    "EmailSettings.InviteSalt",
)
_TYPES = {"bool": bool, "int": int, "string": str, "list": list, "map": dict}
_TRUE = {"1", "t", "T", "TRUE", "true", "True"}
_FALSE = {"0", "f", "F", "FALSE", "false", "False"}


@dataclass(frozen=True)
class Setting:
    """One documented name: its type in settings.tsv and its default."""

    name: str
    kind: str
    default: Any

    @property
    def variable(self) -> str:
        return "MM_" + self.name.upper().replace(".", "_")


def known() -> list[Setting]:
    """Every setting that a real server of release 11 wrote for itself."""
    lines = (Path(__file__).parent / "settings.tsv").read_text(encoding="utf-8").splitlines()
    rows = (line.split("\t") for line in lines)
    return [Setting(name, kind, json.loads(default)) for name, kind, default in rows]


def load(environ: Mapping[str, str]) -> Values:
    """The values in force; the file is read, completed and written back on the way.

    Raises StartError where the file can't be read, understood or written.
    """
    wanted = environ.get("MM_CONFIG", "")
    table = known()
    if wanted.startswith(("postgres://", "postgresql://")):
        return _fixed(
            {**_understood(_active(wanted), table, "database"), **overrides(table, environ)}
        )
    path = locate(wanted)
    stored = _read(path, table)
    for name in GENERATED:
        if name in stored and not stored[name]:
            stored[name] = secrets.token_hex(16)
    _write(path, stored)
    return _fixed({**stored, **overrides(table, environ)})


def locate(wanted: str) -> Path:
    """The configuration file that MM_CONFIG names; it need not exist yet."""
    if wanted and Path(wanted).is_absolute():
        return Path(wanted)
    name = wanted or "config.json"
    return find(name) or find(f"config/{name}") or TREE / "config" / name


def overrides(table: list[Setting], environ: Mapping[str, str]) -> Values:
    """What the MM_* variables say; a value of the wrong type is ignored, as the server does."""
    found: Values = {}
    for setting in table:
        if setting.variable in environ:
            value = _from_text(setting.kind, environ[setting.variable])
            if value is not None:
                found[setting.name] = value
    return found


def document(values: Values) -> str:
    """The text of config.json; & < > are escaped as Go escapes them."""
    tree: dict[str, Any] = {}
    for name, value in values.items():
        *parents, key = name.split(".")
        node = tree
        for parent in parents:
            node = node.setdefault(parent, {})
        node[key] = value
    text = json.dumps(tree, indent=4, ensure_ascii=False)
    for sign in "&<>":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text + "\n"


def _from_text(kind: str, text: str) -> Any:
    if kind == "bool":
        return True if text in _TRUE else False if text in _FALSE else None
    if kind == "list":
        return text.split()
    try:
        value = int(text) if kind == "int" else json.loads(text) if kind == "map" else text
    except ValueError:
        return None
    return value if isinstance(value, _TYPES[kind]) else None


def _read(path: Path, table: list[Setting]) -> Values:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {setting.name: setting.default for setting in table}
    except (OSError, UnicodeDecodeError) as error:
        raise StartError(f"failed to load configuration: {path}: {_reason(error)}") from None
    return _understood(text, table, path)


def _active(source: str) -> str:
    """The configuration that a database holds; the stand-in only reads it there."""
    from pg8000.exceptions import DatabaseError, InterfaceError
    from pg8000.native import Connection

    from mattermost_standin.dsn import parse

    try:
        connection = Connection(timeout=10, **parse(source).arguments())
        rows = connection.run("SELECT value FROM configurations WHERE active")
    except (InterfaceError, DatabaseError, OSError) as error:
        raise StartError(f"failed to load configuration: {type(error).__name__}") from None
    if not rows:
        raise StartError("failed to load configuration: the database has none that is active")
    return str(rows[0][0])


def _understood(text: str, table: list[Setting], path: Path | str) -> Values:
    try:
        tree = json.loads(text)
    except ValueError as error:
        raise StartError(
            f"failed to load configuration: {path} is no JSON: {_json_place(error)}"
        ) from None
    return {setting.name: _picked(tree, setting, path) for setting in table}


def _picked(tree: Any, setting: Setting, path: Path | str) -> Any:
    node = tree
    for key in setting.name.split("."):
        if not isinstance(node, dict):
            raise StartError(f"failed to load configuration: {path}: no object around {key}")
        node = node.get(key)
        if node is None:
            return setting.default
    wanted = _TYPES[setting.kind]
    if not isinstance(node, wanted) or (wanted is int and isinstance(node, bool)):
        raise StartError(
            f"failed to load configuration: {path}: cannot unmarshal a value of another type "
            f"into {setting.name} of type {setting.kind}"
        )
    return node


def _write(path: Path, values: Values) -> None:
    """In place, as the server does: made under the umask, and its mode kept by later writes.

    A file that the service may not write stops the start.
    """
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o660)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(document(values))
    except OSError as error:
        raise StartError(
            f"failed to load configuration: failed to persist: failed to write file {path}: "
            f"{_reason(error)}"
        ) from None


def _fixed(values: Values) -> Values:
    values["ServiceSettings.SiteURL"] = values["ServiceSettings.SiteURL"].rstrip("/")
    return values


def _reason(error: Exception) -> str:
    return (error.strerror or "").lower() if isinstance(error, OSError) else "not UTF-8"


def _json_place(error: ValueError) -> str:
    """Where it breaks off; the line itself may hold a secret."""
    assert isinstance(error, json.JSONDecodeError)
    return f"{error.msg} in line {error.lineno}"
