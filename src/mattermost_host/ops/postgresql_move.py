"""The site's database moved to another major version of PostgreSQL, and back where that fails.

What happens after the stop is one program on the host (``templates/postgres/move.sh.j2``). The
older cluster stays as it was, so the way back is lossless until users write to the newer one.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from pyinfra import host
from pyinfra.api import StringCommand, operation
from pyinfra.api.operation import OperationMeta

from mattermost_host.engine import host_lock
from mattermost_host.engine.explanations import Change, explain
from mattermost_host.engine.questions import ask, changing, expect
from mattermost_host.facts.database import DONE, Move
from mattermost_host.knowledge.clusters import Cluster
from mattermost_host.ops import apt, cluster, files, first_boot, packages
from mattermost_host.ops.database_state import (
    AS_POSTGRES,
    COLLATION_VERSION_SINCE,
    OWN_COLLATION,
    Client,
)
from mattermost_host.ops.entries import Directory, File
from mattermost_host.ops.host_program import HostProgram
from mattermost_host.ops.packages import PackageStates
from mattermost_host.ops.pgbackrest_state import AskRepository
from mattermost_host.ops.postgresql_move_state import FOLDER, UNIT, AskMove, occupied
from mattermost_host.ops.postgresql_service import SOCKET_FOLDER, files_of
from mattermost_host.ops.upgrade import HOLD_S, Ways, of_server
from mattermost_host.support.errors import OperatorError
from mattermost_host.support.templates import render

PROGRAM = HostProgram(
    UNIT,
    FOLDER,
    "another move of the database",
    "The move was cut off: run upgrade-postgresql again; it says where it stands.",
)
NO_CLUSTER = "/etc/postgresql-common/createcluster.d/mattermost-host.conf"
"""Debian's packages of a new version make a cluster and start it, unless they are told not to."""
Mode = Literal["move", "forward", "back"]


@dataclass(frozen=True)
class Backups:
    """What backs the database up, and is to follow it."""

    question: AskRepository
    timer: str
    services: str


@dataclass(frozen=True)
class Target:
    """The cluster that the data goes to, with the settings that it starts with."""

    question: AskMove
    client: Client
    """psql of the newer version; it can talk to both."""
    settings: tuple[File, ...]
    """Of its unit, its parameters, and its access rules, as a deploy writes them."""
    backups: Backups | None
    pgdg: bool = False
    """Its package comes from the PostgreSQL project's repository, which may not be known yet."""

    @property
    def staged(self) -> list[Directory | File]:
        """The settings where the program finds them."""
        names = ("unit.conf", "parameters.conf", "pg_hba.conf")
        contents = zip(names, self.settings, strict=True)
        return [
            Directory(FOLDER, "700"),
            Directory(f"{FOLDER}/new", "700"),
            *(File(f"{FOLDER}/new/{name}", one.content, "600") for name, one in contents),
        ]


def beside(name: str, after: Cluster) -> OperationMeta:
    """Keep the newer version installed, without a cluster of the package's own."""
    if after.setup:  # its packages make none
        return packages.installed(name, after.packages, "dnf", after.streams)
    question = PackageStates(after.packages, "apt")
    expect(question)
    return _beside(name=name, question=question)


@operation()
def _beside(question: PackageStates) -> Generator[StringCommand, None, None]:
    (package,) = question.packages
    if package in ask(question):
        host.noop("it is installed")
        return
    explain(Change(package, "is not installed; it comes beside the older version"))
    yield from changing(
        StringCommand(
            f"mkdir -p $(dirname {NO_CLUSTER}) && echo 'create_main_cluster = false' >{NO_CLUSTER}"
        ),
        StringCommand(first_boot.WAIT + apt.INSTALL, package),
        StringCommand(f"rm -f {NO_CLUSTER}"),
    )


def moved(name: str, target: Target, last: Move | None, ways: Ways) -> Sequence[OperationMeta]:
    """Let the site's database be in ``target``, if the site serves with it; else where it was.

    A move that was cut off begins anew, or is gone on with where the newer cluster has the data.
    """
    expect(target.question)
    staged = files.present(name="the settings of the newer one are prepared", entries=target.staged)
    return staged, _moved(name=name, target=target, last=last, ways=ways)


@operation()
def _moved(target: Target, last: Move | None, ways: Ways) -> Generator[StringCommand, None, None]:
    asked = target.question
    unfinished = last is not None and last.unfinished
    mode: Mode = "forward" if last and unfinished and last.switched else "move"
    said = f"is PostgreSQL {asked.old}: it is moved to {asked.new}, with a way back"
    if unfinished:
        onward = "it goes on" if mode == "forward" else "it is taken back, and begins anew"
        said = f"is left by a move to PostgreSQL {asked.new} that was cut off; {onward}"
    explain(
        Change("the database", said, severity="critical", heals=False),
        Change("mattermost.service", "is stopped meanwhile", "restart", heals=False),
    )
    yield from changing(StringCommand(_begun(target, last, ways, mode, done="done")))


def taken_back(name: str, target: Target, last: Move | None, ways: Ways) -> OperationMeta:
    """Let the site's database be in the older cluster again, where nobody wrote to the newer."""
    expect(target.question)
    return _taken_back(name=name, target=target, last=last, ways=ways)


@operation()
def _taken_back(
    target: Target, last: Move | None, ways: Ways
) -> Generator[StringCommand, None, None]:
    if last is None or (last.step != DONE and not last.unfinished):
        host.noop("there is no move to take back")
        return
    if target.question.new != last.new:
        raise OperatorError(f"the last move went to PostgreSQL {last.new}, which is not the site's")
    explain(
        Change("the database", f"is PostgreSQL {last.new}: back to {last.old}", heals=False),
        Change("mattermost.service", "is stopped meanwhile", "restart", heals=False),
    )
    yield from changing(StringCommand(_begun(target, last, ways, "back", done="back")))


def _begun(target: Target, last: Move | None, ways: Ways, mode: Mode, done: str) -> str:
    return PROGRAM.begin(program(target, last, ways, mode), done=done)


def program(target: Target, last: Move | None, ways: Ways, mode: Mode) -> str:
    """The program of the move."""
    before, after = target.question.before, target.question.after
    by_both = replace(ways, question=replace(ways.question, client=target.client))
    return render(
        "postgres/move.sh.j2",
        kept=FOLDER,
        old=before.major,
        new=after.major,
        since=last.since if last and mode != "move" else "",
        mode=mode,
        step=last.step if last else "",
        hold=ways.hold.functions_of_program(HOLD_S),
        hold_s=HOLD_S,
        server=of_server(by_both),
        clusters=_of_clusters(before, after),
        before=before,
        after=after,
        occupied=occupied(after),
        own_collation=OWN_COLLATION if before.major < COLLATION_VERSION_SINCE else "",
        as_postgres=AS_POSTGRES,
        socket=SOCKET_FOLDER,
        lock=host_lock.PROGRAM_LOCK,
        backups=target.backups,
    )


def _of_clusters(before: Cluster, after: Cluster) -> str:
    """Shell that makes, fills and removes clusters of this layout."""
    _, drop_in, access = files_of(after)
    by_pg_upgrade = "postgres/clusters-of-pgdg.sh.j2"
    return render(
        by_pg_upgrade if after.setup else "postgres/clusters-of-debian.sh.j2",
        before=before,
        after=after,
        drop_in=drop_in,
        access=access,
        authentication=cluster.AUTHENTICATION,
    )
