"""What tells of backups from the host itself: metrics for Prometheus, and a failure at once."""

from collections.abc import Iterator

from mattermost_host.knowledge.clusters import Cluster
from mattermost_host.ops import backup_drill
from mattermost_host.ops import backup_files as made_of
from mattermost_host.ops.backup_files import PROGRAMS, UNITS
from mattermost_host.ops.entries import Alone, Entry, File
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


def entries(cluster: Cluster) -> Iterator[Entry]:
    """The program, its service and timer, and the service that tells of a failure."""
    program = render(
        "backup/backup-metrics.sh.j2",
        folder=FOLDER,
        file=FILE,
        prefix=PREFIX,
        state=made_of.STATE_FOLDER,
        data=cluster.data,
        units=WATCHED,
    )
    yield File(PROGRAM, program, "755")
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
            sandbox=render("backup/sandbox.j2", networked=False),
        )
        yield File(path, text)
        yield Alone(f"{path}.d")
    yield File(TIMER_FILE, render("backup/metrics.timer.j2", service=SERVICE))
    yield Alone(f"{TIMER_FILE}.d")
