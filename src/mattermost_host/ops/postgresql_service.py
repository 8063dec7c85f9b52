"""The drop-in of a PostgreSQL unit: what it waits for and notes at its start, and its sandbox."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mattermost_host.knowledge.clusters import Cluster
from mattermost_host.ops import what_was_read
from mattermost_host.ops.entries import Alone, Directory, Entry, File
from mattermost_host.support.templates import render

SOCKET_FOLDER = "/var/run/postgresql"
USER = "postgres"
OF_UNIT = "mattermost-host.conf"


@dataclass(frozen=True)
class Archive:
    """Where PostgreSQL archives to."""

    to: str = ""
    """The folder that the inventory names, best the mount point of a disk of its own; empty: none.
    """
    room: str = ""
    """Root's folder in it. It is there before PostgreSQL starts: a folder that comes later stays
    read-only in its sandbox."""
    networked: bool = False
    """It is reached by the network."""


@dataclass(frozen=True)
class Writable:
    """What PostgreSQL writes to outside of its own folders."""

    folders: tuple[str, ...] = ()
    """Those of tablespaces and WAL that the inventory names."""
    archive: Archive | None = None

    def __iter__(self) -> Iterator[str]:
        """Their paths."""
        yield from self.folders
        if self.archive and self.archive.to:
            yield self.archive.to


def files_of(layout: Cluster) -> tuple[str, str, str]:
    """Paths of the unit's drop-ins, the parameters and the access rules."""
    return (
        f"/etc/systemd/system/{layout.unit}.d",
        f"{layout.included}/{OF_UNIT}",
        f"{layout.settings}/pg_hba.conf",
    )


def unit_files(layout: Cluster, before_start: Sequence[str], writable: Writable) -> Iterator[Entry]:
    """The drop-in of the cluster's unit and no other beside it."""
    of_unit, drop_in, access = files_of(layout)
    ours_first = [f"AssertPathExists={path}" for path in (drop_in, access)]
    # Where packages create no cluster, its settings would be in the data folder.
    start = f"{layout.programs}/postgres -D {layout.data} -c config_file={drop_in}"
    service = render(
        "postgres/service.conf.j2",
        before_start=[*ours_first, *before_start],
        note=what_was_read.noted_at_start([of_unit]),
        start=start if layout.setup else "",
        user=USER,
        writable=[layout.data, *layout.logs, *writable],
        networked=bool(writable.archive and writable.archive.networked),
        confined=layout.confined,
    )
    yield Directory(of_unit)
    yield Alone(of_unit, (OF_UNIT,))
    yield File(f"{of_unit}/{OF_UNIT}", service)
    if writable.archive and writable.archive.room:
        yield Directory(writable.archive.room)
