"""Pictures of a sized site: its hosts, and its storage over time."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mattermost_host.knowledge import sizing
from mattermost_host.knowledge.architecture import SAFETY, Architecture, Group
from mattermost_host.support import output
from mattermost_host.support.templates import render

WIDTH = 640
ROWS: tuple[tuple[str, ...], ...] = (
    ("proxy",),
    ("app",),
    ("db", "etcd", "storage"),
    ("search", "cache"),
)
"""Roles beside each other, from the users down."""
EACH = 32
"""Width of a host with the gap beside it."""
LEFT, RIGHT, TOP, BOTTOM = 80, 610, 50, 310
"""Where the axes of the storage are."""


@dataclass(frozen=True)
class Square:
    """One host."""

    x: int
    y: int
    spare: bool


@dataclass(frozen=True)
class Layer:
    """The hosts of one role."""

    name: str
    size: str
    x: int
    y: int
    width: int
    height: int
    hosts: tuple[Square, ...]


def files(folder: Path) -> tuple[Path, Path]:
    """The files that are written into ``folder``."""
    return folder / "topology.svg", folder / "storage.svg"


def write(folder: Path, made: Architecture) -> None:
    """Write topology.svg and storage.svg. Raises OperatorError if that fails."""
    with output.writing(str(folder)):
        folder.mkdir(exist_ok=True)
    for file, picture in zip(files(folder), (topology, storage), strict=True):
        output.write(str(file), picture(made).rstrip())


def topology(made: Architecture) -> str:
    """Each role as a box with its hosts, as SVG."""
    groups = {group.role: group for group in made.groups}
    layers: list[Layer] = []
    arrows: list[dict[str, int]] = []
    y = 48
    for roles in ROWS:
        here = [groups[role] for role in roles if role in groups]
        if not here:
            continue
        row = list(_row(here, y))
        if layers:
            arrows.append({"x": WIDTH // 2, "top": y - 24, "bottom": y})
        layers += row
        y += row[0].height + 24
    title = f"{made.users:,} users, any one host may be lost"
    return render(
        "size/topology.svg.j2",
        title=title,
        width=WIDTH,
        height=y + 20,
        layers=layers,
        arrows=arrows,
    )


def _row(groups: list[Group], y: int) -> Iterator[Layer]:
    width = (WIDTH - 32 - 12 * (len(groups) - 1)) // len(groups)
    in_a_row = (width - 16) // EACH
    height = 52 + 24 * max(-(-group.hosts // in_a_row) for group in groups)
    for at, group in enumerate(groups):
        x = 16 + at * (width + 12)
        squares = tuple(
            Square(x + 12 + EACH * column, y + 46 + 24 * line, one >= group.carry)
            for one in range(group.hosts)
            for line, column in [divmod(one, in_a_row)]
        )
        size = f"{group.hosts} x {group.cpus} vCPU, {group.memory_gb} GB"
        yield Layer(f"{group.role}: {group.purpose}", size, x, y, width, height, squares)


def storage(made: Architecture) -> str:
    """What database and files take, month by month, as SVG."""
    months = range(made.months + 1)
    each = [sizing.storage(made.users, made.usage, SAFETY, month) for month in months]
    top = max(one.most_mb for one in each)
    unit, size = ("TB", 2**20) if top >= 2**20 else ("GB", 2**10)

    def points(values: list[int]) -> list[str]:
        return [
            f"{_x(month, made.months)},{_y(mb, top)}"
            for month, mb in zip(months, values, strict=True)
        ]

    least, most = points([one.least_mb for one in each]), points([one.most_mb for one in each])
    return render(
        "size/storage.svg.j2",
        title=f"Database and files of {made.users:,} users, {made.usage} usage",
        least=" ".join(least),
        most=" ".join(most),
        area=" ".join([*most, *reversed(least)]),
        steps=[
            {"y": _y(top * part / 4, top), "text": f"{top * part / 4 / size:,.1f} {unit}"}
            for part in range(5)
        ],
        months=[
            {"x": _x(month, made.months), "text": str(month)}
            for month in months[:: max(1, made.months // 12)]
        ],
    )


def _x(month: int, of: int) -> int:
    return round(LEFT + (RIGHT - LEFT) * month / of)


def _y(mb: float, of: int) -> int:
    return round(BOTTOM - (BOTTOM - TOP) * mb / of)
