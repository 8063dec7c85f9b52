"""Upgrade the server to a release on the host, with an automatic way back, and roll back.

Everything after the stop is done by a program on the host, in a unit of its own: losing the control
machine does not change how it ends, and the next run reads its journal.
"""

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Literal

from pyinfra import host
from pyinfra.api import StringCommand, operation
from pyinfra.api.operation import OperationMeta

from mattermost_host.engine import host_lock
from mattermost_host.engine.explanations import Change, explain
from mattermost_host.engine.questions import ask, changing, expect
from mattermost_host.knowledge import upgrade_paths
from mattermost_host.ops import backup_files, release_scripts
from mattermost_host.ops.database_state import AS_POSTGRES
from mattermost_host.ops.hold import Hold
from mattermost_host.ops.host_program import HostProgram
from mattermost_host.ops.release_state import CURRENT, RELEASES, UPGRADE, ReleaseState
from mattermost_host.ops.state_files import CONFIGURATION, STATE
from mattermost_host.ops.upgrade_state import UNIT, AskUpgrade
from mattermost_host.ops.what_was_read import STAMPS
from mattermost_host.releases.choice import Release
from mattermost_host.releases.installed import Installed
from mattermost_host.support.errors import OperatorError
from mattermost_host.support.templates import render

SERVER = "mattermost.service"
PATIENCE_S = 60
"""Seconds without READY and without activity in the database after which a starting server counts
as hanging. The longest silence of real servers was 31.5 s, for a file store that does not answer.
"""
STATEMENT_S = 7200
"""Time limit for a statement of an upgrade, which may read every table."""
HOLD_S = 60
"""Users wait for no longer; who comes then gets NGINX's page of maintenance."""
PLAN = f"{STAMPS}/migration-plan.json"
"""Where the old release reads how it takes the migrations back; root's copy is in ``UPGRADE``."""
PROGRAM = HostProgram(
    UNIT,
    UPGRADE,
    "another upgrade",
    "The move was cut off: run upgrade again to go on, or rollback to go back.",
)
NOTHING_TO_TAKE_BACK = ("", "prepares", "back")
"""Steps of the journal at which the old release runs and nothing of the new one is left."""
Mode = Literal["upgrade", "resume", "back"]


@dataclass(frozen=True)
class Ways:
    """How to reach the server, its database and its proxy on the host."""

    question: AskUpgrade
    programs: str
    """Folder of pg_dump and pg_restore."""
    local_socket: str
    ping: str
    """Path of the request that measures the downtime."""
    server_name: str
    environment: str
    """File with the variables of the server's process."""
    hold: Hold


def moved(name: str, wanted: Release, ways: Ways) -> OperationMeta:
    """Keep the server on ``wanted``, which is on the host, or go back if that does not serve.

    An interrupted upgrade is continued. If the release is right, nothing is stopped.
    """
    expect(ReleaseState(wanted.folder, wanted.by_hash))
    expect(ways.question)
    return _moved(name=name, wanted=wanted, ways=ways)


@operation()
def _moved(wanted: Release, ways: Ways) -> Generator[StringCommand, None, None]:
    releases = ask(ReleaseState(wanted.folder, wanted.by_hash))
    last = ask(ways.question)
    before = (releases.current or "").rpartition("/")[2]
    # Before the link was moved, or after it was moved back, an upgrade begins anew.
    resumed = last.unfinished and before == wanted.folder == last.journal.get("new")
    if before == wanted.folder and not resumed:
        host.noop("the server runs this release")
        return
    old = last.journal["old"] if resumed else before
    if Installed.parse(old) is None:
        raise OperatorError(f"{CURRENT} leads to no release that could be gone back to")
    said = "is left unproven by an upgrade that was cut off; it goes on" if resumed else ""
    found = said or f"leads to {old}: an upgrade to {wanted.folder}, with a way back"
    explain(
        Change(CURRENT, found, severity="critical", heals=False),
        Change(SERVER, "is moved to another release", "restart", heals=False),
    )
    mode: Mode = "resume" if resumed else "upgrade"
    program = _program(ways, last.journal, old, wanted.folder, mode)
    yield from changing(StringCommand(PROGRAM.begin(program, done="done")))


def taken_back(name: str, ways: Ways, *, lose: bool = False) -> OperationMeta:
    """Go back to the release before the last upgrade, unless that would lose data.

    With ``lose`` also then: the database of the newer release is kept beside it.
    """
    expect(ReleaseState(""))
    expect(ways.question)
    return _taken_back(name=name, ways=ways, lose=lose)


@operation()
def _taken_back(ways: Ways, lose: bool) -> Generator[StringCommand, None, None]:
    releases, last = ask(ReleaseState("")), ask(ways.question).journal
    if last.get("step", "") in NOTHING_TO_TAKE_BACK:
        host.noop("there is no upgrade to take back")
        return
    old, new = last.get("old", ""), last.get("new", "")
    if old not in releases.releases:
        raise OperatorError(f"the release {old} is not on the host any more")
    if releases.current not in (f"releases/{old}", f"releases/{new}"):
        raise OperatorError(
            f"{CURRENT} leads to {releases.current or 'nothing'}, and the last upgrade was from "
            f"{old} to {new}: there is no way back from here"
        )
    explain(
        Change(CURRENT, f"leads to {new}: back to {old}", severity="critical", heals=False),
        Change(SERVER, "is moved to another release", "restart", heals=False),
    )
    program = _program(ways, last, old, new, "back", lose=lose)
    yield from changing(StringCommand(PROGRAM.begin(program, done="back")))


def _program(
    ways: Ways, journal: Mapping[str, str], old: str, new: str, mode: Mode, *, lose: bool = False
) -> str:
    before, after = Installed.parse(old), Installed.parse(new)
    assert before and after
    kept = {} if mode == "upgrade" else journal
    client = ways.question.client
    return render(
        "upgrade/move.sh.j2",
        kept=UPGRADE,
        current=CURRENT,
        releases=RELEASES,
        old=old,
        new=new,
        before=kept.get("schema", ""),
        since=kept.get("since", ""),
        step=kept.get("step", ""),
        mode=mode,
        lose="yes" if lose else "no",
        known="yes" if upgrade_paths.runs_on_schema_of(before.version, after.version) else "no",
        hold=ways.hold.functions_of_program(HOLD_S),
        server=of_server(ways),
        find_port=client.find_port,
        as_postgres=AS_POSTGRES,
        programs=ways.programs,
        saves="yes" if upgrade_paths.saves_plan(before.version, after.version) else "no",
        plan=PLAN,
        state=STATE,
        configuration=CONFIGURATION,
        environment=ways.environment,
        lock=host_lock.PROGRAM_LOCK,
        switch_to_old=release_scripts.switch(old),
        switch_to_new=release_scripts.switch(new),
        backup_timer=backup_files.TIMER,
        backups=(backup_files.TIMER, *backup_files.SERVICES),
        hold_s=HOLD_S,
    )


def of_server(ways: Ways, *, proxied: bool = True) -> str:
    """Shell functions that start, stop and test the server; ``proxied``: users come by NGINX."""
    server = f"{ways.hold.address[0]}:{ways.hold.address[1]}"
    return render(
        "upgrade/server.sh.j2",
        database=ways.question.database,
        data=ways.question.data,
        api=f"http://{server}/api/v4",
        psql=ways.question.client.command(STATEMENT_S),
        as_postgres=AS_POSTGRES,
        local_socket=ways.local_socket,
        server_name=ways.server_name,
        ping=ways.ping,
        watched=f"https://{ways.server_name}" if proxied else f"http://{server}",
        seen="through NGINX" if proxied else "at its port",
        patience_s=PATIENCE_S,
    )
