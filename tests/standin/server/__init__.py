"""A stand-in for the Mattermost server: the user's journey, PostgreSQL, and the bad habits.

It takes the place of the official release in tests where that can't be fetched. It is no
Mattermost: it says so in its version, in its pages and in the answer to ping.
"""

from __future__ import annotations

from pathlib import Path

TREE = Path(__file__).resolve().parent.parent.parent
"""The unpacked release: bin, client, config, i18n, lib, templates …"""

VERSION = (Path(__file__).parent / "VERSION").read_text(encoding="ascii").strip()
"""The version that it stands in for, such as 11.7.9."""

HABITS = frozenset((Path(__file__).parent / "HABITS").read_text(encoding="ascii").splitlines())
"""What this release does wrong on purpose; see build.py."""

FULL_VERSION = f"{VERSION}-standin"


class StartError(Exception):
    """Why the server can't start: a sentence for the log; the exit status is then 1."""


def find(name: str) -> Path | None:
    """A file or folder by the working directory first, then by the release tree."""
    for base in (Path.cwd(), TREE):
        if (base / name).exists():
            return base / name
    return None
