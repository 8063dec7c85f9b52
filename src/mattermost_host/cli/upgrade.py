"""The commands ``upgrade`` and ``rollback``."""

import sys
from pathlib import Path

import click

from mattermost_host.cli.arguments import INVENTORY
from mattermost_host.plan import apply as application
from mattermost_host.site.site import Site

YES = click.option("-y", "--yes", is_flag=True, help="Do not ask before changing anything.")


@click.command()
@INVENTORY
@YES
def upgrade(inventory: Path, yes: bool) -> None:
    """Move the site to another release, and back by itself if that does not serve.

    The release is the one that the inventory states. Everything that can be done before the stop is
    done before it. Then the new release must get ready, be well, let a user in and take a post;
    otherwise the release before serves again, with everything that was written. Users wait
    meanwhile; how long is printed.

    Exit status: 0 the release serves and all checks passed, 1 not; the last lines say which
    release serves.

    Example: mattermost-host upgrade inventory.py
    """
    sys.exit(application.upgrade(Site.use(inventory), ask=not yes))


@click.command()
@INVENTORY
@YES
def rollback(inventory: Path, yes: bool) -> None:
    """Take the last upgrade back: the release before it serves again.

    Also one that was cut off. Nothing that users wrote is lost: where the release before could not
    use it, the rollback is refused, and the newer release goes on serving.

    Exit status: 0 the release before serves, 1 not; the last lines say which release serves.

    Example: mattermost-host rollback inventory.py
    """
    sys.exit(application.rollback(Site.use(inventory), ask=not yes))
