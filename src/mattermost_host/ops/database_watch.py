"""A program on each database host that moves leaders in time: before a disk is full, and etcd's.

No engine does either: PostgreSQL's leader stays one while its disk fills, and etcd's may be on the
host that the database's leader is on. Every member tells by a mark among Patroni's shared settings
that its disk has ample room; see docs/architecture.md for the ways that were not taken.
"""

import json
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from pyinfra.api.operation import OperationMeta

from mattermost_host.knowledge.surface import Unit
from mattermost_host.ops import running, what_was_read
from mattermost_host.ops.entries import Alone, Directory, Entry, File
from mattermost_host.ops.patroni_state import Way
from mattermost_host.support.templates import render

PROGRAMS = "/usr/local/lib/mattermost-host"
PROGRAM = f"{PROGRAMS}/database-watch"
UNIT = "mattermost-host-database-watch.service"
UNIT_FILE = f"/etc/systemd/system/{UNIT}"
USER = "mattermost-db-watch"
RUN = UNIT.removesuffix(".service")
EVERY_S = 10
LEAST_PERCENT, LEAST_MIB = 5, 64
SILENT_MIN = 2
"""A look takes a second, or one minute while Patroni hands over."""
OURS = (UNIT_FILE, PROGRAM)
PROBE = f"find -H /run/{RUN}/looked -mmin -{SILENT_MIN} | grep -q ."
"""Shell command that succeeds if it has measured the disk lately."""
MARKS, AMPLE = "room", "ample"
"""The shared setting of the marks, of which Patroni itself knows nothing, and a mark."""
CREDENTIAL = '"$CREDENTIALS_DIRECTORY/host-key"'
"""The key as systemd hands it to the program, whose account can't read the file itself."""


@dataclass(frozen=True)
class Watched:
    """What the program looks at."""

    name: str
    """This member's, as Patroni knows it."""
    folder: str
    """On the filesystem of data and WAL."""
    way: Way
    members: Mapping[str, str]
    """The URL of each member's Patroni, by name; this one may be among them."""
    etcd_url: str
    etcd_access: str = ""
    """The file with what etcdctl needs; empty where this host is no voter."""

    @property
    def read_at_start(self) -> list[str]:
        """The files that a running program has read; a new certificate comes with a new key."""
        access = [self.etcd_access] if self.etcd_access else []
        return [UNIT_FILE, f"{UNIT_FILE}.d", PROGRAM, self.way.certificate, *access]


def unit() -> Unit:
    """The unit, as the surface of its component has it."""
    return Unit(UNIT, USER, 1.5, PROBE)


def runs(name: str, by: Watched, after: OperationMeta) -> OperationMeta:
    """Keep it running, by what it looks at, with the files that ``after`` writes."""
    return running.running(
        name=name,
        unit=UNIT,
        restart_on=by.read_at_start,
        after=[after],
        probe=PROBE,
        gate=running.Gate(PROBE),
    )


def entries(watched: Watched) -> Iterator[Entry]:
    """The program and its unit."""
    service = render(
        "patroni/database-watch.service.j2",
        note=what_was_read.noted_at_start(watched.read_at_start),
        program=PROGRAM,
        user=USER,
        key=watched.way.key,
        etcd_access=watched.etcd_access,
        run=RUN,
    )
    yield Directory(PROGRAMS)
    yield File(PROGRAM, program(watched), "755")
    yield File(UNIT_FILE, service)
    yield Alone(f"{UNIT_FILE}.d")


def program(watched: Watched) -> str:
    """The shell program."""
    mine = watched.name
    return render(
        "patroni/database-watch.sh.j2",
        every_s=EVERY_S,
        looks_a_minute=60 // EVERY_S,
        least_percent=LEAST_PERCENT,
        least_mib=LEAST_MIB,
        folder=shlex.quote(watched.folder),
        way=replace(watched.way, key=CREDENTIAL),
        marked=_mark(mine),
        ample=_json({MARKS: {mine: AMPLE}}),
        not_ample=_json({MARKS: {mine: None}}),
        others=[
            {
                "url": shlex.quote(url),
                "name": shlex.quote(name),
                "mark": _mark(name),
                "request": _json({"leader": mine, "candidate": name}),
            }
            for name, url in watched.members.items()
            if name != mine
        ],
        etcd_url=shlex.quote(watched.etcd_url),
        etcd_access=watched.etcd_access,
    )


def _mark(name: str) -> str:
    """How a member's mark looks among the shared settings, without spaces."""
    return shlex.quote(f'"{name}":"{AMPLE}"')


def _json(value: object) -> str:
    return shlex.quote(json.dumps(value))
