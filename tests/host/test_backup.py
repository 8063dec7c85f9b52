"""Backups: that they are made, archived and scheduled."""

from tests.host import asking
from tests.host import judge_backup as judge
from tests.host.asking import Seen
from tests.host.judge import holds


def test_the_database_is_archived(seen: Seen) -> None:
    """The repository belongs to this database, and WAL is archived there."""
    holds(judge.archived(seen.answers[asking.REPOSITORY]))


def test_a_backup_was_made_lately(seen: Seen) -> None:
    """The last backup of database and files is not too old."""
    holds(judge.recent(seen.answers[asking.REPOSITORY]))


def test_the_nightly_backup_is_scheduled(seen: Seen) -> None:
    """The timer of the nightly backup is active, and starts at boot."""
    holds(judge.scheduled(seen.answers[asking.UNITS]))
