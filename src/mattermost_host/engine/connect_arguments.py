"""What ssh_paramiko_connect_kwargs may hold: the arguments of paramiko that pyinfra leaves alone.

Others would replace what pyinfra sets itself, or end its run with a traceback.
"""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from paramiko.ssh_gss import GSS_AUTH_AVAILABLE

from mattermost_host.support.errors import Mistake

LONGEST_S = 3600
"""More than a login ever waits."""
ALGORITHMS = ("ciphers", "compression", "kex", "keys", "macs", "pubkeys")
FLAG, TEXT = "True or False", 'a text: "…"'
SECONDS = f"a number of seconds from 0 to {LONGEST_S}"
DISABLED = f'a dict of lists of names, by kind ({", ".join(ALGORITHMS)}): {{"kex": ["…"]}}'
ARGUMENTS: Mapping[str, str] = {
    "auth_timeout": SECONDS,
    "banner_timeout": SECONDS,
    "channel_timeout": SECONDS,
    "compress": FLAG,
    "disabled_algorithms": DISABLED,
    "gss_auth": FLAG,
    "gss_deleg_creds": FLAG,
    "gss_host": TEXT,
    "gss_kex": FLAG,
    "gss_trust_dns": FLAG,
    "passphrase": TEXT,
}
"""Argument -> what it takes."""
KEYS = {
    "allow_agent": "ssh_allow_agent",
    "hostname": "ssh_hostname",
    "key_filename": "ssh_key",
    "look_for_keys": "ssh_look_for_keys",
    "password": "ssh_password",
    "pkey": "ssh_key",
    "port": "ssh_port",
    "sock": "ProxyJump in ssh's configuration",
    "timeout": "pyinfra's CONNECT_TIMEOUT in config.py",
    "username": "ssh_user",
}
"""Argument that pyinfra sets itself -> what to write instead, outside of these arguments."""


def are_seconds(value: object) -> bool:
    """Whether it is a time to wait; NaN and infinity are none."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and 0 <= value <= LONGEST_S  # type: ignore[operator]


def mistakes(path: str, arguments: Mapping[Any, Any]) -> Iterator[Mistake]:
    """The mistakes in ``arguments``, which is at ``path``. Values are never shown."""
    for key, value in arguments.items():
        where = f"{path}.{key}" if isinstance(key, str) else path
        if key not in ARGUMENTS:
            yield Mistake(where, "an argument that can't be given here", _instead(key))
        elif not _fits(value, ARGUMENTS[key]):
            needed = f"write {ARGUMENTS[key]}, or leave the key out"
            yield Mistake(where, "a value that doesn't fit", needed)
        elif key in {"gss_auth", "gss_kex"} and value and not GSS_AUTH_AVAILABLE:
            needed = "install python-gssapi beside pyinfra, or leave the key out"
            yield Mistake(where, "True, but this Python has no GSS-API", needed)


def _instead(key: object) -> str:
    for near in get_close_matches(str(key), [*KEYS, *ARGUMENTS], 1, 0.7):
        return f"use {KEYS[near]} instead" if near in KEYS else f"write {near}"
    return f"write one of {', '.join(ARGUMENTS)}"


def _fits(value: object, wanted: str) -> bool:
    if wanted is DISABLED:
        return isinstance(value, dict) and all(
            kind in ALGORITHMS and isinstance(names, list) and all(map(_is_text, names))
            for kind, names in value.items()
        )
    if wanted is SECONDS:
        return are_seconds(value)
    return isinstance(value, bool) if wanted is FLAG else _is_text(value) and value != ""


def _is_text(value: object) -> bool:
    return isinstance(value, str)
