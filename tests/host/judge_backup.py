"""Checks of the host's backups."""

from collections.abc import Iterable, Mapping

from mattermost_host.knowledge.surface import Unit
from mattermost_host.ops.pgbackrest_state import Repository
from mattermost_host.preflight.finding import Finding
from tests.host import judge
from tests.host.judge import Sentences, differs
from tests.host.questions import UnitStatus


def archived(now: Repository) -> Sentences:
    """The repository belongs to this database and is written to."""
    if now.wrong:
        yield differs("the repository of backups", "one that is archived into", f"it {now.wrong}")


def recent(now: Repository) -> Sentences:
    """Database and files were backed up recently, or are being backed up now."""
    if now.old:
        yield differs("the last backup", "one of the last night", f"that it {now.old}")


def scheduled(status: Mapping[str, UnitStatus], timer: str) -> Sentences:
    """The timer is enabled and active."""
    yield from judge.units((Unit(timer),), status)


def proven(now: Repository) -> Sentences:
    """A drill showed that the backups can be restored."""
    if now.unproven:
        yield differs("the drill of the backups", "one that succeeded", f"that it {now.unproven}")


def mounted(findings: Iterable[Finding]) -> Sentences:
    """The disk of the backups is mounted."""
    for one in findings:
        if one.verdict == "error":
            yield f"{differs('the disk of the backups', one.needed, one.found)}. {one.remedy}"


def shared_disk(findings: Iterable[Finding]) -> Sentences:
    """Backups on the disk of the database, which an operator may have chosen."""
    for one in findings:
        if one.verdict == "warning":
            yield f"{one.found}. {one.remedy}"
