"""The look for drift on a machine that is always on: the host of the inventory's group ``ops``.

It gets a copy of the checkout, the inventory, its secrets, and the files that the inventory names
by relative paths; then the same command is given there. What it has is a copy: it tells of drift
and never puts anything right, for it would undo what was deployed since.
"""

import shlex
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, cast

import click

from mattermost_host.drift.repair import Heal
from mattermost_host.engine.connections import run_as_root
from mattermost_host.engine.inventory import Inventory, SiteHost
from mattermost_host.engine.remote import Send
from mattermost_host.site.secrets_file import authority_path, secrets_path
from mattermost_host.site.site import Site
from mattermost_host.support.errors import OperatorError

CHECKOUT = Path(__file__).parents[3]
FOLDER = "/opt/mattermost-host"
PARTS = (
    "config.py",
    "pyproject.toml",
    "requirements",
    "deploys",
    "scripts",
    "src",
    "templates",
    "tests/host",
)
"""What it takes to plan; the rest of the checkout is for developers."""
# The new copy takes the old one's place at once, with its environment and other sites' inventories.
REPLACE = f"""set -eu
umask 077
new={FOLDER}~new
rm -rf $new; mkdir -p $new; tar -x --no-same-owner -C $new -f -
if [ -d {FOLDER} ]; then
  [ ! -d {FOLDER}/.venv ] || cp -a {FOLDER}/.venv $new/
  cp -an {FOLDER}/inventories/. $new/inventories/
  rm -rf {FOLDER}~old; mv {FOLDER} {FOLDER}~old
fi
mv $new {FOLDER}; rm -rf {FOLDER}~old
cd {FOLDER}; scripts/setup environment"""


def of(inventory: Inventory) -> SiteHost | None:
    """The ops host, where there is one. Raises OperatorError where there are several."""
    if len(inventory.ops) > 1:
        names = ", ".join(host.name for host in inventory.ops)
        raise OperatorError(
            f"{inventory.path} has several hosts in the group ops: {names}; one is "
            "enough, and two would tell everything twice"
        )
    return next(iter(inventory.ops), None)


def install(inventory: Inventory, host: SiteHost, on_calendar: str, heal: Heal | None) -> None:
    """Bring ``host`` up to date and have it look after the site at ``on_calendar``.

    Raises OperatorError where it can't be reached, or can't itself reach the site's hosts.
    """
    Site.load(inventory.path)  # mistakes are told here, before anything is copied
    if heal:
        raise OperatorError(
            f"--heal does not go together with the ops host {host.name}: it works with a copy of "
            "the inventory, and would undo what you have deployed since; leave --heal out, or "
            "schedule with --here on the machine that you deploy from"
        )
    click.echo(
        f"{host.name} gets a copy of this checkout, of {inventory.path} and of its secrets "
        "(readable by root alone) ..."
    )
    _on(host, REPLACE, lambda send: _sending(inventory, send))
    _ours(host, "preflight", inventory)
    click.echo(_ours(host, "schedule", inventory, "--here", "--on-calendar", on_calendar))
    click.echo(
        f"This was said by {host.name}, in {FOLDER}. After a change of the inventory or its "
        "secrets, schedule again: it works with a copy."
    )


def remove(inventory: Inventory, host: SiteHost) -> None:
    """Remove the timer from ``host``; the copy stays."""
    click.echo(_ours(host, "schedule", inventory, "--here", "--remove"))


def _ours(host: SiteHost, command: str, inventory: Inventory, *options: str) -> str:
    """A command of ours on ``host``, and what it said."""
    words = [f"{FOLDER}/.venv/bin/mattermost-host", command, _place(inventory.path), *options]
    return _on(host, f"cd {FOLDER}; {shlex.join(words)} 2>&1 </dev/null")


def _on(host: SiteHost, script: str, write: Callable[[Send], None] | None = None) -> str:
    """Run ``script`` as root; OperatorError with all that was said where it fails.

    ``write`` gives it its standard input.
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


def _sending(inventory: Inventory, send: Send) -> None:
    class Stream:
        """What tarfile writes to."""

        def write(self, data: bytes) -> int:
            send(bytes(data))
            return len(data)

    _pack(inventory, cast(IO[bytes], Stream()))


def _pack(inventory: Inventory, stream: IO[bytes]) -> None:
    """Write a tar archive of all that ``FOLDER`` is to hold."""
    with tarfile.open(fileobj=stream, mode="w|") as archive:
        for part in PARTS:
            archive.add(CHECKOUT / part, part, filter=_without_compiled)
        for path in (inventory.path, secrets_path(inventory.path), authority_path(inventory.path)):
            if path.exists():
                archive.add(path, _place(path))
        for named in sorted(set(_named_files([inventory.description, *_data(inventory)]))):
            archive.add(named, named)


def _without_compiled(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if "__pycache__" in member.name else member


def _place(path: Path) -> str:
    """Where a file of the inventory lies there, from ``FOLDER``."""
    return f"inventories/{path.name}"


def _data(inventory: Inventory) -> Iterator[Mapping[str, Any]]:
    yield from (host.data for host in inventory.hosts)


def _named_files(values: Sequence[Any]) -> Iterator[str]:
    """Files that are named relative to this folder; absolute ones are the other machine's own."""
    for value in values:
        if isinstance(value, Mapping):
            yield from _named_files(list(value.values()))
        elif isinstance(value, list | tuple):
            yield from _named_files(list(value))
        elif isinstance(value, str) and _is_file_here(value):
            yield str(Path(value))


def _is_file_here(name: str) -> bool:
    path = Path(name)
    try:
        return not path.is_absolute() and ".." not in path.parts and path.is_file()
    except OSError:  # a text that is too long for a name
        return False
