"""Addresses and paths from an inventory, made safe to print."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from mattermost_host.support.errors import Mistake
from mattermost_host.support.paths import instead_of_file, is_file

NO_FILE = "there is no such file on this machine"
MOST_BYTES, MOST_OF_TARBALL = 1 << 20, 8 << 30
"""Of a file that an inventory names: a chain of certificates, a licence, a key; a tarball."""


def without_secrets(location: str) -> str:
    """The address without its user, password and query, so that it can be printed."""
    user, _, place = location.rpartition("@")
    if ":" not in user:
        user, place = "", location
    scheme = re.match(r"[A-Za-z][A-Za-z0-9+.-]*:/+", user)
    shown = (scheme.group() if scheme else "") + place
    return re.sub(r"^(\w+://[^?#]*)[?#].*", r"\1?…", shown, flags=re.DOTALL)


def file_mistakes(key: str, file: str, *, most: int = MOST_BYTES) -> Iterator[Mistake]:
    """What is wrong with the file of this machine that the inventory's ``key`` names.

    ``most`` bytes it may have. People write addresses with passwords here, too.
    """
    shown = repr(without_secrets(file))
    if not is_file(file):
        instead = instead_of_file(file)
        needed = f"this is {instead}: name a file" if instead else NO_FILE
        yield Mistake(key, shown, needed)
        return
    try:
        with Path(file).open("rb") as stream:
            stream.read(1)
            size = stream.seek(0, os.SEEK_END)
    except OSError as error:
        reason = (error.strerror or "no reason is known").lower()
        yield Mistake(key, shown, f"this file can't be read by whoever runs this: {reason}")
        return
    if size > most:
        needed = f"such a file has at most {most >> 10} KiB: name the right one"
        yield Mistake(key, f"{shown}, a file of {size >> 10} KiB", needed)


def in_url(host: str) -> str:
    """A name or address as it stands in a URL: IPv6 in brackets."""
    return f"[{host}]" if ":" in host else host
