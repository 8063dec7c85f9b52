"""What tells of backups from the host itself: metrics for Prometheus, and a failure at once."""

from collections.abc import Iterator
from dataclasses import dataclass

from mattermost_host.ops import backup_drill
from mattermost_host.ops import backup_files as made_of
from mattermost_host.ops.backup_files import PROGRAMS, UNITS
from mattermost_host.ops.entries import Alone, Entry, File
from mattermost_host.ops.pgbackrest_state import DUMPED
from mattermost_host.support.templates import render

FOLDER = "/var/lib/prometheus/node-exporter"
"""The folder that Debian's node_exporter reads; without it nothing is written."""
FILE = "mattermost-host-backup.prom"
PREFIX = "mattermost_host_backup_"
PROGRAM = f"{PROGRAMS}/backup-metrics"
SERVICE = "mattermost-host-backup-metrics.service"
TIMER = "mattermost-host-backup-metrics.timer"
TIMER_FILE = f"{UNITS}/{TIMER}"
OURS = (f"{UNITS}/{SERVICE}", f"{UNITS}/{made_of.FAILED}", TIMER_FILE, PROGRAM)
WATCHED = (*made_of.SERVICES, backup_drill.SERVICE)


@dataclass(frozen=True)
class Watched:
    """What a host knows of backups."""

    units: tuple[str, ...] = WATCHED
    data: str = ""
    """PostgreSQL's data folder, where it is on this host."""
    member: bool = False
    """Whether that is one of several, which learns of the others' backups from the repository."""
    files: bool = True
    networked: bool = False


def entries(watched: Watched) -> Iterator[Entry]:
    """The program, its service and timer, and the service that tells of a failure."""
    program = render(
        "backup/backup-metrics.sh.j2",
        folder=FOLDER,
        file=FILE,
        prefix=PREFIX,
        state=made_of.STATE_FOLDER,
        data=watched.data,
        units=watched.units,
        member=watched.member,
        files=watched.files,
        stanza=made_of.STANZA,
        dumped=DUMPED,
    )
    yield File(PROGRAM, program, "755")
    networked = watched.member and watched.networked
    for path, description, told in (
        (OURS[0], "Metrics of Mattermost's backups", False),
        (OURS[1], "Tells that %i failed", True),
    ):
        text = render(
            "backup/metrics.service.j2",
            description=description,
            told=told,
            program=PROGRAM,
            folder=FOLDER,
            state=made_of.STATE if watched.member else "",
            networked=networked,
            sandbox=render("backup/sandbox.j2", networked=networked),
        )
        yield File(path, text)
        yield Alone(f"{path}.d")
    yield File(TIMER_FILE, render("backup/metrics.timer.j2", service=SERVICE))
    yield Alone(f"{TIMER_FILE}.d")
