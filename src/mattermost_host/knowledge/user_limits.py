"""How many accounts a release allows without a licence, as the server itself says.

Release 11 warns from 200 accounts on and makes none above 250 (seen on 11.2). For older lines
nothing is asserted.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class UserLimit:
    """From the line ``first`` on: the server warns above ``soft`` accounts, stops at ``hard``."""

    first: tuple[int, int]
    soft: int
    hard: int


LIMITS = (UserLimit((11, 0), 200, 250),)
"""Newest first."""


def user_limit(version: str) -> UserLimit | None:
    """The limit of a release such as ``11.7.9``; None where none is known."""
    major, minor = (int(part) for part in version.split(".")[:2])
    return next((limit for limit in LIMITS if (major, minor) >= limit.first), None)
