"""The command ``upgrade-system``."""

import sys
from pathlib import Path

import click

from mattermost_host.cli.arguments import INVENTORY
from mattermost_host.cli.upgrade import YES
from mattermost_host.plan import apply as application
from mattermost_host.site.site import Site


@click.command("upgrade-system")
@INVENTORY
@YES
def upgrade_system(inventory: Path, yes: bool) -> None:
    """Upgrade Debian on the site's host to its next release, in place.

    Everything is fetched before anything is installed. Questions about files of configuration are
    answered with those that are there; services restart, and how long the site was unavailable is
    printed. A deploy follows. There is no way back but a backup. An upgrade that was cut off goes
    on. The database stays where it is: `mattermost-host upgrade-postgresql` moves it.

    Exit status: 0 the site serves and all checks passed, 1 not.

    Example: mattermost-host upgrade-system inventory.py
    """
    sys.exit(application.upgrade_system(Site.use(inventory), ask=not yes))
