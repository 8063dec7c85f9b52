"""Passwords: PBKDF2 as release 11 keeps them, scrypt before it.

A release before 11 can't read what release 11 wrote, so after a way back without the old
database ping says OK and nobody can log in. That is the habit that the real server has too.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import threading

from mattermost_standin import VERSION

_ROUNDS = 600_000  # of release 11
_SCRYPT = {"n": 2**14, "r": 8, "p": 1}
MODERN = int(VERSION.split(".")[0]) >= 11


def hashed(password: str) -> str:
    """The text that is kept of a password."""
    salt = secrets.token_hex(16)
    scheme = "pbkdf2" if MODERN else "scrypt"
    return f"${scheme}${salt}${_digest(scheme, password, salt)}"


def matches(password: str, kept: str) -> bool:
    """Whether ``kept`` was made of ``password`` by a scheme that this release knows."""
    _, scheme, salt, digest = kept.split("$")
    if scheme == "pbkdf2" and not MODERN:
        return False
    return hmac.compare_digest(_digest(scheme, password, salt), digest)


def renewed(password: str, kept: str) -> str:
    """``kept``, or what release 11 keeps instead once somebody has logged in."""
    return hashed(password) if MODERN and not kept.startswith("$pbkdf2$") else kept


_ONE_AT_A_TIME = threading.Lock()
"""As the real server: a wave of log-ins holds everybody up, those who gave up included."""


def _digest(scheme: str, password: str, salt: str) -> str:
    text, salted = password.encode(), salt.encode()
    with _ONE_AT_A_TIME:
        if scheme == "pbkdf2":
            raw = hashlib.pbkdf2_hmac("sha256", text, salted, _ROUNDS)
        else:
            raw = hashlib.scrypt(text, salt=salted, **_SCRYPT)
    return base64.b64encode(raw).decode("ascii")
