"""Backups: that they are made, archived and scheduled."""

from mattermost_host.knowledge import backup_places
from mattermost_host.knowledge.backup_places import Folder
from mattermost_host.ops import backup_drill, backup_files, backup_members
from mattermost_host.preflight import backup as checks
from tests.host import asking
from tests.host import judge_backup as judge
from tests.host.asking import Seen
from tests.host.judge import holds
from tests.host.recording import Recorder

QUESTIONS = (asking.REPOSITORY, backup_members.REPOSITORY, backup_members.FILES)
"""Of a host with database and files; where the database is on several hosts, of each of its parts.
"""
TIMERS = (backup_files.TIMER, backup_members.TIMER, backup_files.TIMER)


def test_the_database_is_archived(seen: Seen) -> None:
    """The repository belongs to this database, and WAL is archived there."""
    for question in QUESTIONS[:2]:
        if question in seen.answers:
            holds(judge.archived(seen.answers[question]))


def test_a_backup_was_made_lately(seen: Seen) -> None:
    """The last backup of database and files is not too old, whichever host made it."""
    asked = [one for one in QUESTIONS if one in seen.answers]
    assert asked
    for question in asked:
        holds(judge.recent(seen.answers[question]))


def test_the_nightly_backup_is_scheduled(seen: Seen) -> None:
    """The timer of the nightly backup is active, and starts at boot."""
    for question, timer in zip(QUESTIONS, TIMERS, strict=True):
        if question in seen.answers:
            holds(judge.scheduled(seen.answers[asking.UNITS], timer))


def test_the_weekly_drill_is_scheduled(seen: Seen) -> None:
    """The timer of the drill is active, and starts at boot; only where the inventory wants one."""
    if asking.REPOSITORY in seen.answers and seen.settings.backup.drill:
        holds(judge.scheduled(seen.answers[asking.UNITS], backup_drill.TIMER))


def test_the_backups_are_proven(seen: Seen) -> None:
    """The last weekly drill restored the backup of then, and read it back; a failed one is told."""
    if asking.REPOSITORY in seen.answers and seen.settings.backup.drill:
        holds(judge.proven(seen.answers[asking.REPOSITORY]))


def test_their_disk_is_mounted(seen: Seen, record_property: Recorder) -> None:
    """The disk of a folder of backups is mounted; one that is the database's, too, is reported."""
    place = backup_places.place(str(seen.settings.backup.to))
    if isinstance(place, Folder):
        findings = tuple(checks.disk(place.path).check(seen.facts))
        for sentence in judge.shared_disk(findings):
            record_property("backups", sentence)
        holds(judge.mounted(findings))
