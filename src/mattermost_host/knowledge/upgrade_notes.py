"""What a release changes for those who come from an older one: settings, data, time.

From the vendor's important upgrade notes and its page of removed and deprecated features, as
published in August 2026, and from upgrades of real servers, which are named.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from mattermost_host.knowledge.releases import line, numbers

NOTES_PAGE = "docs.mattermost.com, important upgrade notes"


@dataclass(frozen=True)
class Note:
    """Something that is different since a release line."""

    line: str
    text: str


@dataclass(frozen=True)
class Migration:
    """What a start of this line or a newer one does to the database of an older one."""

    line: str
    seconds: float
    """For a million posts."""
    rewrites: bool
    """Whether the table of posts is written anew."""
    text: str


NOTES = (
    Note("6.4", "the table db_migrations tells the schema's state"),
    Note(
        "7.0",
        "session lengths are in hours: SessionLengthWebInDays and its kind became …InHours, and "
        "values that were set by the old names are lost; TrustedProxyIPHeader is empty by default",
    ),
    Note("8.0", "AllowCorsFrom decides about WebSockets of other origins, too"),
    Note("8.0", "AdvancedLoggingConfig and its kind became AdvancedLoggingJSON"),
    Note("9.5", "a banner says so where more than 10,000 users have no licence"),
    Note("10.0", "without a licence Calls are for two people; ProductSettings are gone"),
    Note("10.8", "licences of the kinds E10 and E20 are refused"),
    Note("10.9", "with SAML and LDAP, users who are not in LDAP are denied"),
    Note("10.11", "plugins that come with the release need their signatures beside them"),
    Note(
        "11.0",
        "gone: MySQL, Bleve (with it set DisableDatabaseSearch to false, or searches find "
        "nothing), log-in by certificate, and in Team Edition GitLab's log-in and Playbooks",
    ),
    Note("11.0", "passwords are hashed by PBKDF2 from each user's next log-in on"),
    Note("11.0", "the notification log has no file of its own; mmctl lost several old names"),
    Note("11.3", "levels of the audit log and of the log are told apart, and wrong ones refused"),
    Note("11.4", "log files are written below the folder of logs only"),
    Note("11.7", "Elasticsearch 7.17 is no longer supported"),
    Note("11.9", "memberships of threads are cleaned up in one statement: upgrade at a quiet hour"),
    Note("12.0", "Enterprise Linux 8, OpenSearch 1 and the image proxy atmos/camo are gone"),
)

MIGRATIONS = (
    Migration(
        "6.0",
        51,
        rewrites=True,
        text="upgrade_posts_v6.0 writes the table of posts anew (seen: 20.3 s for 400,000 posts, "
        "from 5.37 to 11.2)",
    ),
    Migration(
        "11.0",
        3.5,
        rewrites=False,
        text="six migrations (seen: 0.9 to 1.4 s with the start, 400,000 posts, from 10.11 to "
        "11.2)",
    ),
    Migration(
        "11.8",
        3,
        rewrites=False,
        text=f"ANALYZE of posts, minutes for 100 million ({NOTES_PAGE})",
    ),
)

AVOIDED = {
    "10.5.0": "the Jira plugin that comes with it wipes its settings; 10.5.2 does not",
    "10.5.1": "the Jira plugin that comes with it wipes its settings; 10.5.2 does not",
}
"""Releases that are no place to go to, and why (the vendor's important upgrade notes)."""


def between(installed: str, target: str) -> Iterator[Note]:
    """What is different in ``target`` for those who come from ``installed``."""
    yield from (note for note in NOTES if _crosses(installed, target, note.line))


def migrations(installed: str, target: str) -> list[Migration]:
    """What the first start of ``target`` does to the database of ``installed``."""
    return [one for one in MIGRATIONS if _crosses(installed, target, one.line)]


def _crosses(installed: str, target: str, name: str) -> bool:
    return numbers(line(installed)) < numbers(name) <= numbers(line(target))
