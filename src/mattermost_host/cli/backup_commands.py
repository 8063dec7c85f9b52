"""The commands ``backup`` and ``restore``."""

import shlex
import sys
import time
from pathlib import Path

import click

from mattermost_host.cli import backup_of_members
from mattermost_host.cli.arguments import INVENTORY
from mattermost_host.engine import locks
from mattermost_host.engine.connections import run_as_root
from mattermost_host.engine.inventory import SiteHost
from mattermost_host.knowledge import backup_places
from mattermost_host.knowledge.names import Refused
from mattermost_host.ops import backup_drill, detached
from mattermost_host.ops import backup_files as made_of
from mattermost_host.plan import apply as application
from mattermost_host.plan import plan as planning
from mattermost_host.releases.choice import version_of
from mattermost_host.site.site import Site
from mattermost_host.support.addresses import without_secrets
from mattermost_host.support.errors import OperatorError
from mattermost_host.verify import run as verification


@click.command()
@INVENTORY
def backup(inventory: Path) -> None:
    """Back up database and files now, as the timer does each night.

    Exit status: 0 it was made, 1 not.

    Example: mattermost-host backup inventory.py
    """
    start, site = time.monotonic(), Site.use(inventory)
    host = _host(site)
    if site.clustered:
        backup_of_members.made(site, _told, _show)
        click.echo(f"The backup is made ({time.monotonic() - start:.0f} s).")
        return
    click.echo(f"{host.name}: backing up; what takes long goes on if this is interrupted.")
    _told(host, detached.started(made_of.SERVICE, *made_of.SERVICES), "no whole backup was made")
    click.echo(f"{host.name}: the backup is made ({time.monotonic() - start:.0f} s).")


@click.command()
@INVENTORY
@click.option(
    "--to-time",
    metavar="TIME",
    help='As all was then, e.g. "2026-11-27 03:00:00 UTC"; without it, as it was last archived.',
)
@click.option(
    "--from",
    "lost",
    metavar="PLACE",
    help=(
        "Onto a new host: what backup.to was on the lost one, or a folder of the new host where it "
        "is mounted or copied."
    ),
)
@click.option(
    "--back",
    is_flag=True,
    help="Restore nothing: put back what was there before a restore that was cut off.",
)
@click.option("-y", "--yes", is_flag=True, help="Do not ask before replacing anything.")
def restore(
    inventory: Path, to_time: str | None, lost: str | None, *, back: bool, yes: bool
) -> None:
    """Bring database and files back from the backups, on the same host or on a new one.

    It says first what it would replace. The old state is moved aside and kept; where the new one
    does not work, or a restore was cut off, it is put back. With --from, the host is deployed, too,
    and begins backups of its own in backup.to; the lost host's are only read.

    Exit status: 0 it is restored and all checks passed, 1 not.

    Example: mattermost-host restore inventory.py --to-time "2026-11-27 03:00:00 UTC"
    """
    if to_time is not None and not to_time.strip():
        # As from an empty variable of a script: the newest state is not what was meant.
        raise click.UsageError("--to-time is empty; write a time, or leave the option out")
    if back and (to_time or lost):
        raise click.UsageError("--back restores nothing: leave --to-time and --from out")
    start, site = time.monotonic(), Site.use(inventory)
    host, options = _host(site), _options(site, to_time, lost)
    backup_of_members.refuse(site, "Restore a database on several hosts")
    with locks.held(inventory):
        if back:
            _put_back(host)
        else:
            _restored(site, host, options, lost, ask=not yes)
    click.echo("Verification, with log-in and posts:")
    status = verification.run(inventory, journey=True)
    done = "What was there before is in place" if back else "Database and files are restored"
    proof = "and everything holds" if status == 0 else "but the verification failed"
    click.echo(f"{done}, {proof} ({time.monotonic() - start:.0f} s).")
    sys.exit(status)


def _put_back(host: SiteHost) -> None:
    program = detached.run(made_of.RESTORING, f"{made_of.RESTORE} --back")
    _told(host, program, "the old state is not in place")


def _restored(site: Site, host: SiteHost, options: str, lost: str | None, *, ask: bool) -> None:
    """Say what a restore would replace, ask, and carry it out. Exits where the answer is no."""
    if lost:
        click.echo(f"{host.name}: installing what it takes to look into {lost}.")
        application.deployed(site, planning.RESTORE_LOOK)
    _told(host, f"{made_of.RESTORE} --show{options}", "nothing can be restored")
    if ask and not click.confirm("Replace database and files by these?"):
        click.echo("Nothing was changed.")
        sys.exit(1)
    click.echo(f"{host.name}: restoring; the site is not available meanwhile.")
    if lost:
        # PostgreSQL is deployed on what was there before one that was cut off.
        _put_back(host)
        application.deployed(site, planning.RESTORE_HOST)
    program = f"{made_of.RESTORE}{options}"
    _told(host, detached.run(made_of.RESTORING, program), "the restore failed")
    if lost:
        click.echo(f"{host.name}: deploying, with a first full backup into the new repository.")
        application.deployed(site)


@click.command()
@INVENTORY
def drill(inventory: Path) -> None:
    """Prove the backups now, as a timer does each week: restore the latest beside the site, try it.

    PostgreSQL and the server run on what was restored, in a network where nobody is; posts, teams
    and files are read back, and it is measured how long that took (RTO) and how much would have
    been lost (RPO). The site goes on; all of it is removed at the end.

    Exit status: 0 the backups are proven, 1 not.

    Example: mattermost-host drill inventory.py
    """
    start, site = time.monotonic(), Site.use(inventory)
    host = _host(site)
    backup_of_members.refuse(site, "Prove the backups of several hosts")
    if not site.settings.backup.drill:
        raise OperatorError(f"{site.path} wants no drills: leave backup.drill out, and deploy")
    click.echo(f"{host.name}: restoring the latest backup beside the site, to try it.")
    _told(host, detached.started(backup_drill.SERVICE, backup_drill.SERVICE), "the drill failed")
    click.echo(f"{host.name}: the backups are proven ({time.monotonic() - start:.0f} s).")


def _options(site: Site, to_time: str | None, lost: str | None) -> str:
    """What the program on the host is told. Raises OperatorError for a place that can't be one."""
    options = {"--to-time": to_time} if to_time else {}
    if lost:
        try:
            there = backup_places.lost(lost)
        except Refused as error:
            raise OperatorError(f'--from "{without_secrets(lost)}": write {error.needed}') from None
        here = backup_places.place(str(site.settings.backup.to))
        if not backup_places.opens(here, there):
            raise OperatorError(
                f"--from {lost}: {site.path} says how backup.to is opened, and nothing else: "
                "it has to be another path of the same host or the same service"
            )
        release = version_of(site.settings.mattermost.release)
        options |= {"--from": lost, "--url": site.settings.url, "--release": release}
    return "".join(f" {name} {shlex.quote(value)}" for name, value in options.items())


def _host(site: Site) -> SiteHost:
    """The host with database and backups. Raises OperatorError if there are no backups."""
    if site.settings.backup.to is None:
        raise OperatorError(
            f"{site.path} has no backups: write backup = {{'to': '/srv/backup'}} into its site, "
            "and deploy"
        )
    return next(host for host in site.hosts if "db" in host.roles)


def _told(host: SiteHost, script: str, failed: str) -> None:
    """Run ``script`` and show what it says, as it says it. Raises OperatorError where it fails."""
    answer = run_as_root(host, script, say=_show)
    if answer.status:
        raise OperatorError(f"{host.name}: {failed}: {answer.errors.strip() or 'see above'}")


def _show(line: str) -> None:
    if line.strip():
        click.echo(line)
