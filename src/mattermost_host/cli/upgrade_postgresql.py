"""The command ``upgrade-postgresql``."""

import sys
from pathlib import Path

import click

from mattermost_host.cli.arguments import INVENTORY
from mattermost_host.cli.upgrade import YES
from mattermost_host.plan import apply as application
from mattermost_host.site.site import Site


@click.command("upgrade-postgresql")
@INVENTORY
@click.option("--back", is_flag=True, help="Back to the older one, where nobody wrote since.")
@YES
def upgrade_postgresql(inventory: Path, back: bool, yes: bool) -> None:
    """Move the database to a newer PostgreSQL, and back by itself if the site does not serve.

    The version is the one that the inventory states, or the one that the system has, as after an
    upgrade of Debian. The older one stays as it was, stopped. Users wait meanwhile; how long is
    printed. A move that was cut off is gone on with.

    Exit status: 0 it serves and all checks passed, 1 not; the last lines say which one serves.

    Example: mattermost-host upgrade-postgresql inventory.py
    """
    sys.exit(application.upgrade_postgresql(Site.use(inventory), back=back, ask=not yes))
