"""A server that somebody else installed, moved to where a deploy expects it, or back.

What happens after the stop is one program on the host (``templates/adopt/take-over.sh.j2``). It
finds what is to be moved in a file beside it, so one that was cut off needs to be told nothing.
"""

import shlex
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Literal

from pyinfra import host
from pyinfra.api import StringCommand, operation
from pyinfra.api.operation import OperationMeta

from mattermost_host.engine import host_lock
from mattermost_host.engine.explanations import Change, explain
from mattermost_host.engine.questions import changing
from mattermost_host.ops import files, release_scripts
from mattermost_host.ops.database_state import AS_POSTGRES
from mattermost_host.ops.entries import Directory, Entry, File
from mattermost_host.ops.host_program import HostProgram
from mattermost_host.ops.release_state import HOME, RELEASES
from mattermost_host.ops.state_files import STATE
from mattermost_host.ops.take_over_state import FOLDER, UNIT
from mattermost_host.ops.upgrade import HOLD_S, Ways, of_server
from mattermost_host.support.templates import render

PROGRAM = HostProgram(
    UNIT,
    FOLDER,
    "another take-over",
    "The take-over was cut off: run take-over again; it says where it stands.",
)
Mode = Literal["move", "resume"]


@dataclass(frozen=True)
class Old:
    """The server as it is."""

    found: Mapping[str, str]
    """Variables of the program, and their values."""
    unit: str
    proxied: bool
    """Whether its users come by NGINX and TLS."""

    @property
    def text(self) -> str:
        """The file that the program reads."""
        lines = (f"{name}={shlex.quote(value)}\n" for name, value in self.found.items())
        return "# Written by mattermost-host.\n" + "".join(lines)


@dataclass(frozen=True)
class New:
    """Where it goes."""

    release: str
    """Folder of the release, which is on the host."""
    unit: File
    access: File
    site: str
    """NGINX's file that a deploy writes."""


def prepared(name: str, old: Old, new: New) -> OperationMeta:
    """Keep what the program reads where it finds it."""
    staged: list[Entry] = [
        Directory(FOLDER, "700"),
        Directory(f"{FOLDER}/new", "700"),
        File(f"{FOLDER}/found", old.text, "600"),
        File(f"{FOLDER}/new/mattermost.service", new.unit.content, "600"),
        File(f"{FOLDER}/new/pg_hba.conf", new.access.content, "600"),
    ]
    return files.present(name=name, entries=staged)


@operation()
def taken_over(old: Old, new: New, ways: Ways) -> Generator[StringCommand, None, None]:
    """Move ``old`` to its new place, or leave it where it was."""
    explain(
        Change(
            old.unit,
            "is somebody else's: it is moved over, with a way back",
            severity="critical",
            heals=False,
        ),
        Change(old.unit, "is stopped meanwhile", "restart", heals=False),
    )
    script = PROGRAM.begin(program(new, ways, proxied=old.proxied), done="done")
    yield from changing(StringCommand(script))


@operation()
def gone_on_with(new: New, ways: Ways, step: str) -> Generator[StringCommand, None, None]:
    """Bring a take-over that was cut off at ``step`` to its end, or back."""
    onward = "it goes on" if step == "starts" else "it is taken back"
    said = f"is left by a take-over that was cut off at the step {step}; {onward}"
    explain(Change("mattermost.service", said, "restart", "critical", heals=False))
    yield from changing(StringCommand(PROGRAM.begin(program(new, ways, step=step), done="done")))


@operation()
def nothing_left(found: str) -> Generator[StringCommand, None, None]:
    """Say that there is nothing to take over."""
    host.noop(found)
    yield from ()


def program(new: New, ways: Ways, *, step: str = "", proxied: bool = True) -> str:
    """The program of the take-over; with ``step`` of one that was cut off there."""
    mode: Mode = "resume" if step else "move"
    return render(
        "adopt/take-over.sh.j2",
        kept=FOLDER,
        mode=mode,
        step=step,
        home=HOME,
        state=STATE,
        access=new.access.path,
        hold=ways.hold.functions_of_program(HOLD_S),
        hold_s=HOLD_S,
        server=of_server(ways, proxied=proxied),
        as_postgres=AS_POSTGRES,
        find_port=ways.question.client.find_port,
        programs=ways.programs,
        release=f"{RELEASES}/{new.release}",
        switch=release_scripts.switch(new.release),
        our_site=new.site,
        lock=host_lock.PROGRAM_LOCK,
    )
