"""Addresses and paths that an operator wrote, as a sentence may repeat them."""

import re

from mattermost_host.support.errors import Mistake


def without_secrets(location: str) -> str:
    """An address as it may be printed: no user, no password, no query, however odd they are."""
    user, _, place = location.rpartition("@")
    if ":" not in user:
        user, place = "", location
    scheme = re.match(r"[A-Za-z][A-Za-z0-9+.-]*:/+", user)
    shown = (scheme.group() if scheme else "") + place
    return re.sub(r"^(\w+://[^?#]*)[?#].*", r"\1?…", shown, flags=re.DOTALL)


def no_such_file(key: str, file: str) -> Mistake:
    """What is said of the inventory's ``key`` that names a file of this machine which is not there.

    People write addresses with passwords here, too.
    """
    return Mistake(key, repr(without_secrets(file)), "there is no such file on this machine")
