"""The key of the backups that a host has already."""

from collections.abc import Iterator
from hashlib import sha256

from mattermost_host.facts.host import HostFacts
from mattermost_host.preflight.finding import Finding, Requirement

NAME = "backup-key"


def same_key(file: str, text: str, folder: str, secrets_file: str) -> Requirement:
    """The host's own key in ``file`` is not replaced: nobody could read its backups any more.

    ``text`` is what a deploy would write there, ``folder`` where the backups are, ``secrets_file``
    the name of the site's secrets file.
    """
    wanted = sha256(text.encode()).hexdigest()

    def check(facts: HostFacts) -> Iterator[Finding]:
        if facts.backup_key in ("", wanted):
            yield Finding(NAME, "ok", "the host has no other key")
            return
        yield Finding(
            NAME,
            "error",
            f"the host's backups are encrypted with another key than the secrets file's, in {file}",
            "the same key: with another one nobody can read these backups",
            f"Write the key of {file} on the host as backup_key into {secrets_file}. To begin anew "
            f"with another key, move {file} and {folder} away on the host.",
        )

    return Requirement(NAME, check, "The key of backups that exist already.")
