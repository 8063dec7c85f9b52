"""The command ``size``: how many hosts of which size, and an inventory for them."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import get_args

import click
from rich import box
from rich.console import Console
from rich.table import Table

from mattermost_host.cli import size_pictures
from mattermost_host.cli.arguments import OUTPUT, OutputFile, OutputFolder, refuse_same
from mattermost_host.cli.init import checked
from mattermost_host.knowledge import releases, user_limits
from mattermost_host.knowledge.architecture import Architecture, Source, design
from mattermost_host.knowledge.sizing import DECIMAL_GB_MB, GIB_MB, LARGEST_TEAM, Storage, Usage
from mattermost_host.support import output
from mattermost_host.support.errors import OperatorError
from mattermost_host.support.templates import render

EXAMPLE_URL, EXAMPLE_HOST = "https://chat.example.com", "192.0.2.10"
"""What a new inventory has instead of the site's own."""
SOURCES: dict[Source, str] = {
    "published": "published",
    "interpolated": "interpolated",
    "engine": "etcd's own",
    "estimate": "estimate",
}
WIDTH = 80


@click.command()
@click.option(
    "--users", type=click.IntRange(1, 1_000_000), required=True, help="People with an account."
)
@click.option(
    "--concurrent",
    type=click.IntRange(1, 1_000_000),
    help="How many of them at the same time; without it, all.",
)
@click.option(
    "--usage",
    type=click.Choice(get_args(Usage)),
    default="medium",
    show_default=True,
    help="What they share: text; documents and screenshots; media.",
)
@click.option(
    "--months",
    type=click.IntRange(1, 120),
    default=12,
    show_default=True,
    help="Time for which there has to be room.",
)
@click.option("--json", "json_file", type=OUTPUT, help="Write it as JSON; - for standard output.")
@click.option(
    "--pictures",
    type=OutputFolder(),
    help="Write topology.svg and storage.svg into this folder.",
)
@click.option(
    "--write", "inventory", type=OutputFile(dash=False), help="Write an inventory; never over one."
)
def size(
    users: int,
    concurrent: int | None,
    usage: Usage,
    months: int,
    json_file: str | None,
    pictures: Path | None,
    inventory: str | None,
) -> None:
    """Say how many hosts of which size a site needs, by the vendor's tables.

    On one host, and on many of which any one may be lost. What lies between two published sizes is
    interpolated, and marked so.

    Exit status: 0 done, 1 a size that nobody has published, or a wrong argument.

    Example: mattermost-host size --users 5000 --concurrent 2000 --usage high
    """
    if concurrent is not None and concurrent > users:
        raise OperatorError(
            f"--concurrent {concurrent:,} is more than --users {users:,}; state those who are "
            "there at the same time, of all who have an account"
        )
    drawn = size_pictures.files(pictures) if pictures else ()
    pictured = (("--pictures", one) for one in (pictures, *drawn))
    refuse_same(("--write", inventory), ("--json", json_file), *pictured)
    made = design(users, concurrent, usage, months)
    if inventory:
        _write_inventory(Path(inventory), made)
    if pictures:
        size_pictures.write(pictures, made)
    if json_file:
        output.write(json_file, json.dumps(asdict(made), indent=2))
    if json_file != "-":
        show(made)
    if inventory:
        click.echo(f"\n{inventory} is written. Put the site's name and its host's address into it.")


def show(made: Architecture, console: Console | None = None) -> None:
    """Print one host, the table of many, and the arithmetic, 80 columns wide."""
    out = console or Console(highlight=False, width=WIDTH)
    together = f", {made.concurrent:,} at the same time" if made.concurrent < made.users else ""
    out.print(f"{made.users:,} users{together}; {made.usage} usage; room for {made.months} months")
    out.print()
    memory = round(made.one_host.memory_mb / DECIMAL_GB_MB)
    out.print(
        f"One host: {made.one_host.cpus} vCPU, {memory} GB of memory, {_gb(made.storage)} of disk "
        f"({SOURCES[made.one_host_source]}). If it is lost, so is the site until it is restored."
    )
    out.print()
    out.print("Many hosts, any one of which may be lost:")
    out.print(_table(made))
    for line in _notes(made):
        out.print(line)


def _table(made: Architecture) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("Role")
    for title in ("Hosts", "Spare", "vCPU", "Memory"):
        table.add_column(title, justify="right")
    table.add_column("Data on each")
    table.add_column("Size")
    for group in made.groups:
        table.add_row(
            group.role,
            str(group.hosts),
            str(group.spare),
            str(group.cpus),
            f"{group.memory_gb} GB",
            _gb(group.disk) if group.disk else "",
            SOURCES[group.source],
        )
    return table


def _notes(made: Architecture) -> Iterator[str]:
    groups = {group.role: group for group in made.groups}
    app, db, arithmetic = groups["app"], groups["db"], made.connections
    yield "So far db and etcd can be deployed on several hosts, app and proxy on one, as in"
    yield "docs/high-availability.md; the rest of this table is for planning."
    yield "etcd and storage may share hosts with others. The proxies are as in the vendor's"
    yield "test, which needed their network; a smaller site needs less."
    if db.replica_disk:
        room = _gb(db.replica_disk)
        yield f"A database that takes over has room for 2 to 3 times as much: {room}."
    yield (
        f"Pools: {app.hosts} x {arithmetic.pool} connections, so max_connections "
        f"{arithmetic.max_connections} on each database."
    )
    yield (
        f"Sockets: {arithmetic.sockets:,} on an application server while one is lost; "
        f"LimitNOFILE {arithmetic.open_files:,}."
    )
    yield (
        f"NGINX: {arithmetic.proxy.worker_connections:,} connections and "
        f"{arithmetic.proxy.open_files:,} open files on each proxy."
    )
    limit = user_limits.user_limit(releases.default())
    if limit and made.users > limit.hard:
        yield f"Without a licence the server makes no more than {limit.hard} accounts."
    yield "Application servers that work at the same time need a licence with clustering."
    if made.users > LARGEST_TEAM:
        yield f"Above {LARGEST_TEAM:,} users the vendor advises a load test (load-test-ng)."


def _gb(disk: Storage) -> str:
    """From and to in GB, or TB from a thousand on."""
    unit, one = ("TB", GIB_MB * 1024) if disk.least_mb >= GIB_MB * 1024 else ("GB", GIB_MB)
    least, most = (
        f"{mb / one:,.1f}" if mb < 10 * one else f"{mb / one:,.0f}" for mb in _ends(disk)
    )
    return f"{least} {unit}" if least == most else f"{least} to {most} {unit}"


def _ends(disk: Storage) -> tuple[int, int]:
    return disk.least_mb, disk.most_mb


def _write_inventory(path: Path, made: Architecture) -> None:
    """Raises OperatorError if the file exists, can't be written, or the site has many hosts."""
    if made.users > LARGEST_TEAM:
        raise OperatorError(
            "--write makes an inventory for one host, for which sizes are published up to "
            f"{LARGEST_TEAM:,} users, not {made.users:,}. The database can be on several hosts, "
            "the server and its proxy on one so far: docs/high-availability.md has that "
            "inventory; leave --write out"
        )
    text = checked(
        render(
            "init/inventory.py.j2",
            url=EXAMPLE_URL,
            users=made.users,
            hosts=[EXAMPLE_HOST],
            version=releases.default(),
        )
    )
    with output.writing(str(path)):
        try:
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
        except FileExistsError:
            raise OperatorError(
                f"{path} exists already, and nothing is overwritten; name another file"
            ) from None
