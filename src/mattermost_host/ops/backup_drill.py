"""The drill of each week: the latest backup restored beside the site, and tried."""

from collections.abc import Iterator

from mattermost_host.ops import backup_files as made_of
from mattermost_host.ops.backup_files import PROGRAMS, UNITS, Backups, Server
from mattermost_host.ops.backup_target import CACHE, CONFIGURATION, RESTIC
from mattermost_host.ops.entries import Alone, Entry, File
from mattermost_host.ops.pgbackrest_state import AskRepository
from mattermost_host.ops.release_state import CURRENT
from mattermost_host.ops.state_files import LOGS
from mattermost_host.support.templates import render

SERVICE = "mattermost-backup-drill.service"
TIMER = "mattermost-backup-drill.timer"
TIMER_FILE = f"{UNITS}/{TIMER}"
PROGRAM = f"{PROGRAMS}/drill-backup"
OURS = (f"{UNITS}/{SERVICE}", TIMER_FILE, PROGRAM)
STATE = "/var/lib/mattermost-host"
PROVEN = f"{made_of.STATE_FOLDER}/proven"
"""What the last drill that succeeded measured."""
QUESTION = AskRepository(
    stanza=made_of.STANZA,
    configuration=CONFIGURATION,
    psql=f"psql -h {made_of.SOCKET_FOLDER} -p {made_of.PORT}",
    last=made_of.LAST,
    dumped=made_of.DUMPED,
    units=made_of.SERVICES,
    proven=PROVEN,
    drill=SERVICE,
)
START_S = 900
"""What the server has to start on what was restored; it may migrate."""
MOST_READ = 20
"""Teams, and posts, that are read by the server's API: the last ones."""


def entries(backups: Backups, server: Server) -> Iterator[Entry]:
    """Its program, its service and its timer."""
    program = render(
        "backup/drill-backup.sh.j2",
        stanza=made_of.STANZA,
        database=made_of.DATABASE,
        restic=RESTIC,
        networked=backups.target.networked,
        stage=f"{STATE}/drill",
        state=made_of.STATE_FOLDER,
        last=made_of.LAST,
        proven=PROVEN,
        home=server.home,
        server=server.user,
        logs=LOGS,
        current=CURRENT,
        environment_file=made_of.ENVIRONMENT_FILE,
        programs=backups.cluster.programs,
        socket=made_of.SOCKET_FOLDER,
        port=made_of.PORT,
        drill_unit=SERVICE,
        database_unit="mattermost-backup-drill-database.service",
        server_unit="mattermost-backup-drill-server.service",
        start_s=START_S,
        most_read=MOST_READ,
    )
    yield File(PROGRAM, program, "755")
    for path, text in zip(
        OURS, (_service(backups), render("backup/drill.timer.j2", service=SERVICE)), strict=False
    ):
        yield File(path, text)
        yield Alone(f"{path}.d")


def _service(backups: Backups) -> str:
    return render(
        "backup/drill.service.j2",
        postgresql=backups.cluster.unit,
        service=made_of.SERVICE,
        program=PROGRAM,
        cache=CACHE,
        state=STATE,
        repository=backups.target.folders[1],
        failed=made_of.FAILED,
        networked=backups.target.networked,
        sandbox=render("backup/sandbox.j2", networked=backups.target.networked),
    )
