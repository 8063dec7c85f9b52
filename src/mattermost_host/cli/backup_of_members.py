"""The command ``backup`` where the database is on several hosts."""

from collections.abc import Callable

import click

from mattermost_host.engine.connections import run_as_root
from mattermost_host.engine.inventory import SiteHost
from mattermost_host.ops import detached
from mattermost_host.ops.backup_files import DUMP_SERVICE, SERVICE
from mattermost_host.ops.backup_members import OF_DATABASE
from mattermost_host.ops.pgbackrest_member import NOT_LEADING
from mattermost_host.site.site import Site
from mattermost_host.support.errors import OperatorError

Told = Callable[[SiteHost, str, str], None]


def made(site: Site, told: Told, show: Callable[[str], None]) -> None:
    """Back up the database by the member that leads, then the files.

    A lost host does not keep the others from it. Raises OperatorError where nobody made one.
    """
    click.echo("Backing up; what takes long goes on if this is interrupted.")
    results = [_by_member(host, show) for host in site.hosts if "db" in host.roles]
    if not any(results):
        raise OperatorError("no backup of the database was made: see above what its hosts say")
    server = next(host for host in site.hosts if "app" in host.roles)
    told(server, detached.started(SERVICE, SERVICE), "the files were not backed up")


def _by_member(host: SiteHost, show: Callable[[str], None]) -> bool:
    """Whether this host led, and made a backup."""
    said: list[str] = []

    def say(line: str) -> None:
        said.append(line)
        if line.strip():
            show(f"{host.name}: {line}")

    try:
        answer = run_as_root(host, detached.started(DUMP_SERVICE, *OF_DATABASE), say=say)
    except OperatorError as error:
        show(str(error))
        return False
    if answer.status:
        show(f"{host.name}: {answer.errors.strip()}")
    return answer.status == 0 and not any(NOT_LEADING in line for line in said)


def refuse(site: Site, section: str) -> None:
    """Raise OperatorError if the site's database is on several hosts."""
    if site.clustered:
        raise OperatorError(
            "This command works where the database is on one host, and that of this site is on "
            f"several (etcd in the inventory): docs/high-availability.md, “{section}”, says how "
            "it is done there."
        )
