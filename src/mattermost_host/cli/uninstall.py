"""The command ``uninstall``."""

import sys
from pathlib import Path

import click

from mattermost_host.cli.arguments import INVENTORY
from mattermost_host.cli.upgrade import YES
from mattermost_host.plan import apply as application
from mattermost_host.site import deletion
from mattermost_host.site.site import Site
from mattermost_host.support.errors import SiteError


@click.command()
@INVENTORY
@click.option(
    "--delete",
    metavar="NAMES",
    help="Data to delete for good, with commas: database,files,backups.",
)
@YES
def uninstall(inventory: Path, delete: str | None, yes: bool) -> None:
    """Remove from the hosts what deploys put there; data, backups and packages stay.

    It says first what it would remove, and asks. The database, the folder of configuration and
    uploads, and backups are kept unless --delete names them, so a deploy brings the site back.
    Files that you added stay.

    Exit status: 0 it is removed, 1 not.

    Example: mattermost-host uninstall inventory.py
    """
    if delete is None:
        sys.exit(application.uninstall(Site.use(inventory), ask=not yes))
    names = tuple(dict.fromkeys(one.strip() for one in delete.split(",") if one.strip()))
    wrong = list(deletion.mistakes(names, Site.described(inventory)[1]))
    if wrong:
        raise SiteError(str(inventory), wrong)
    sys.exit(application.uninstall(Site.use(inventory, delete=names), ask=not yes))
