"""Whose a repository of backups is: two hosts never archive into one.

The words are those of a plan and of the verification (``ops/pgbackrest_state.py``), which see the
same.
"""

import base64
from collections.abc import Iterator

from pydantic import SecretStr

from mattermost_host.facts.backups import BackupFacts
from mattermost_host.facts.host import HostFacts
from mattermost_host.ops.backup_files import STANZA
from mattermost_host.ops.pgbackrest_info import OtherKey, system_of
from mattermost_host.ops.pgbackrest_state import (
    TWO_DATABASES,
    TWO_HOSTS,
    TWO_SITES,
    of_another,
    of_another_database,
    the_mark_away,
)
from mattermost_host.preflight.backup_held import OWNER, Held
from mattermost_host.preflight.finding import Finding, Requirement
from mattermost_host.preflight.host import unreadable

REPOSITORY = "the repository of backups"
MEANING = "The repository that backups go to is this host's, and its database's, or is not begun."
NEEDED = "a repository of this host's own"
OTHER_KEY = "is encrypted with another key"
BACK = (
    "To bring what it holds back onto this host, name another place as backup.to, and run "
    "`mattermost-host restore --from` with this one."
)


def of_folder(key: SecretStr, secrets_file: str) -> Requirement:
    """That of a folder on the host, by what the facts say of it."""

    def check(facts: HostFacts) -> Iterator[Finding]:
        told = facts.backups
        yield judged(Held(told.mark, base64.b64decode(told.info)), told, key, secrets_file)

    return Requirement(OWNER, check, MEANING)


def judged(held: Held, facts: BackupFacts, key: SecretStr, secrets_file: str) -> Finding:
    """The finding; ``key`` is the one that encrypts the backups."""
    if not held.mark and not held.info:
        return Finding(OWNER, "ok", f"{REPOSITORY} is not begun")
    if not facts.machine:
        return unreadable(OWNER, f"whose {REPOSITORY} is", NEEDED)
    if wrong := _wrong(held, facts, key, secrets_file):
        found, remedy = wrong
        return Finding(OWNER, "error", f"{REPOSITORY} {found}", NEEDED, remedy)
    return Finding(OWNER, "ok", f"{REPOSITORY} belongs to this host")


def judged_of_member(held: Held, facts: BackupFacts, key: SecretStr, secrets_file: str) -> Finding:
    """The same where the database is on several hosts: the mark names the database.

    A host without a database yet copies the one that the repository belongs to.
    """
    try:
        system = system_of(held.info, key.get_secret_value()) if held.info else ""
    except OtherKey:
        return Finding(OWNER, "error", f"{REPOSITORY} {OTHER_KEY}", NEEDED, _the_key(secrets_file))
    known = set(facts.systems) if "" not in facts.systems else set()
    if known and system and system not in known:
        found = of_another_database(system, ", ".join(facts.systems))
        return Finding(OWNER, "error", f"{REPOSITORY} {found}", NEEDED, TWO_DATABASES)
    if known and held.mark and held.mark.split()[0] not in known:
        remedy = f"{TWO_SITES} {the_mark_away(STANZA, 'site')}"
        found = of_another("site", held.mark)
        return Finding(OWNER, "error", f"{REPOSITORY} {found}", NEEDED, remedy)
    return Finding(OWNER, "ok", f"{REPOSITORY} belongs to this site, or is not begun")


def _the_key(secrets_file: str) -> str:
    begun = f"Write the key that it was begun with as backup_key into {secrets_file}"
    return f"{begun}, or name another place as backup.to."


def _wrong(
    held: Held, facts: BackupFacts, key: SecretStr, secrets_file: str
) -> tuple[str, str] | None:
    """What is wrong as a predicate, and what to do."""
    try:
        system = system_of(held.info, key.get_secret_value()) if held.info else ""
    except OtherKey:
        system = None
    # One that could not be read may be that of the repository.
    is_here = system in facts.systems or "" in facts.systems
    if system and facts.systems and not is_here:
        found = of_another_database(system, ", ".join(facts.systems))
        return found, f"{TWO_DATABASES} {BACK}"
    if held.mark and held.mark.split()[0] != facts.machine:
        way_out = the_mark_away(STANZA) if system and is_here else BACK
        return of_another("host", held.mark), f"{TWO_HOSTS} {way_out}"
    if system is None:
        return OTHER_KEY, _the_key(secrets_file)
    if system and not facts.systems:
        found = f"holds a database ({system}), and this host has none yet"
        return found, f"{TWO_DATABASES} {BACK}"
    return None
