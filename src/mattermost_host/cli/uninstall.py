"""The command ``uninstall``."""

import sys
from pathlib import Path

import click

from mattermost_host.cli.arguments import INVENTORY
from mattermost_host.cli.upgrade import YES
from mattermost_host.plan import apply as application
from mattermost_host.site.site import Site


@click.command()
@INVENTORY
@YES
def uninstall(inventory: Path, yes: bool) -> None:
    """Remove from the hosts what deploys put there; data, backups and packages stay.

    It says first what it would remove, and asks. The database, the folder of configuration and
    uploads, and backups are kept, so a deploy brings the site back. Files that you added stay.

    Exit status: 0 it is removed, 1 not.

    Example: mattermost-host uninstall inventory.py
    """
    sys.exit(application.uninstall(Site.use(inventory), ask=not yes))
