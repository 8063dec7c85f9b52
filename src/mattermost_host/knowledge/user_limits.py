"""How many accounts a release allows without a licence, as the server itself reports.

Release 11 warns from 200 accounts on and creates none above 250 (observed on 11.2). Nothing is
known for older lines.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class UserLimit:
    """From line ``first`` on, the server warns above ``soft`` accounts and stops at ``hard``."""

    first: tuple[int, int]
    soft: int
    hard: int


LIMITS = (UserLimit((11, 0), 200, 250),)
"""Newest first."""


def user_limit(version: str) -> UserLimit | None:
    """The limit of a release such as ``11.7.9``; None if none is known."""
    major, minor = (int(part) for part in version.split(".")[:2])
    return next((limit for limit in LIMITS if (major, minor) >= limit.first), None)
