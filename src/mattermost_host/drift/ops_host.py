"""Checks for drift on the host of the inventory's group ``ops``, a machine that is always on.

It gets a copy of the checkout's parts that a plan needs, the inventory, its secrets without the
authority's key, and the files that the inventory names by relative paths; then the same command
runs there. It only reports drift: a repair from an older copy could undo what was deployed since.
"""

import io
import shlex
import tarfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, cast

import click

from mattermost_host.drift.repair import Heal
from mattermost_host.engine.connections import run_as_root
from mattermost_host.engine.inventory import Inventory, SiteHost
from mattermost_host.engine.remote import Send
from mattermost_host.site import secrets_file
from mattermost_host.site.site import Site
from mattermost_host.support.errors import OperatorError
from mattermost_host.support.paths import PROJECT, is_file
from mattermost_host.support.templates import render

FOLDER = "/opt/mattermost-host"
PARTS = (
    "config.py",
    "pyproject.toml",
    "requirements",
    "deploys",
    "scripts/setup",
    "src",
    "templates",
    "tests/host",
)
"""The parts of a checkout that a plan needs."""


def schedule(
    inventory: Inventory, host: SiteHost, on_calendar: str | None, heal: Heal | None
) -> None:
    """Update the copy on ``host`` and schedule the checks there; without a calendar, remove them.

    Raises OperatorError if it can't be reached, or can't itself reach the site's hosts.
    """
    if on_calendar is None:
        click.echo(_ours(host, "schedule", inventory, "--here", "--remove"))
        return
    Site.load(inventory.path)  # report mistakes before anything is copied
    if heal:
        raise OperatorError(
            f"--heal does not go together with the ops host {host.name}: it works with a copy of "
            "the inventory, and would undo what you have deployed since; leave --heal out, or "
            "schedule with --here on the machine that you deploy from"
        )
    if not (PROJECT / "pyproject.toml").is_file():
        raise OperatorError(
            f"the ops host {host.name} is given a checkout, and this is an installed package; "
            "schedule from a checkout, or with --here on a machine that is always on"
        )
    click.echo(
        f"{host.name} gets a copy of this checkout, of {inventory.path} and of its secrets "
        "(readable by root alone) ..."
    )
    unpack = render("schedule/unpack.sh.j2", folder=FOLDER)
    _on(host, unpack, lambda send: _pack(inventory, _Stream(send)))
    _ours(host, "preflight", inventory)
    click.echo(_ours(host, "schedule", inventory, "--here", "--on-calendar", on_calendar))
    click.echo(
        f"This was said by {host.name}, in {FOLDER}. After a change of the inventory or its "
        "secrets, schedule again: it works with a copy."
    )


def _ours(host: SiteHost, command: str, inventory: Inventory, *options: str) -> str:
    """Run one of our commands on ``host``; returns its output."""
    words = [f"{FOLDER}/.venv/bin/mattermost-host", command, _place(inventory.path), *options]
    return _on(host, f"cd {FOLDER}; {shlex.join(words)} 2>&1 </dev/null")


def _on(host: SiteHost, script: str, write: Callable[[Send], None] | None = None) -> str:
    """Run ``script`` as root. Raises OperatorError with its output if it fails.

    ``write`` sends its standard input.
    """
    answer = run_as_root(host, f"exec 2>&1\n{script}", write)
    said = answer.output.decode(errors="replace").strip() or answer.errors
    if answer.status:
        raise OperatorError(
            f"the ops host {host.name} does not do its part (status {answer.status}). It "
            f"said:\n{said}\nIt must be reached by ssh as root or with sudo, have Python 3.11, and "
            "be able to log in to the site's hosts itself: the inventory's ssh_key is a path "
            "there, too."
        )
    return said


class _Stream(io.RawIOBase):
    """What tarfile writes to."""

    def __init__(self, send: Send) -> None:
        self._send = send

    def write(self, data: Any) -> int:
        self._send(bytes(data))
        return len(data)


def _pack(inventory: Inventory, stream: IO[bytes] | io.RawIOBase) -> None:
    """Write a tar archive with the content of ``FOLDER``."""
    path = inventory.path
    with tarfile.open(fileobj=cast(IO[bytes], stream), mode="w|") as archive:
        for part in PARTS:
            archive.add(PROJECT / part, part, filter=_without_compiled)
        archive.add(path, _place(path))
        # Rendered by this version, so without the authority's key.
        stored = secrets_file.read(path.resolve()).stored
        _add(archive, secrets_file.secrets_path(path), secrets_file.rendered(stored, path.stem))
        if stored.authority:
            _add(archive, secrets_file.authority_path(path), stored.authority.certificate)
        key = secrets_file.authority_key_path(path.resolve())
        data = [inventory.description, *(host.data for host in inventory.hosts)]
        for one in sorted({*_named_files(data)}):
            if one.resolve() != key:
                archive.add(one)


def _add(archive: tarfile.TarFile, path: Path, text: str) -> None:
    member = tarfile.TarInfo(_place(path))
    member.size, member.mode = len(text.encode()), 0o600
    archive.addfile(member, io.BytesIO(text.encode()))


def _without_compiled(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if "__pycache__" in member.name else member


def _place(path: Path) -> str:
    """The path of an inventory's file there, relative to ``FOLDER``."""
    return f"inventories/{path.name}"


def _named_files(value: Any) -> Iterator[Path]:
    """Files with relative paths in the inventory; absolute paths are those of the ops host."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for one in value:
            yield from _named_files(one)
    elif isinstance(value, str) and is_file(value):
        path = Path(value)
        if not path.is_absolute() and ".." not in path.parts:
            yield path
