"""The commands ``upgrade`` and ``rollback``."""

import sys
from pathlib import Path

import click

from mattermost_host.cli.arguments import INVENTORY
from mattermost_host.plan import apply as application
from mattermost_host.releases.choice import stated_version
from mattermost_host.site.site import Site
from mattermost_host.site.to import To

YES = click.option("-y", "--yes", is_flag=True, help="Do not ask before changing anything.")


@click.command()
@INVENTORY
@click.option(
    "--to", "version", metavar="VERSION", help="This release instead of the stated one: 11.7.9."
)
@click.option(
    "--sha256", metavar="DIGEST", help="Of its tarball, where the table of releases lacks it."
)
@YES
def upgrade(inventory: Path, version: str | None, sha256: str | None, yes: bool) -> None:
    """Move the site to another release, and back by itself if that does not serve.

    The release is the one that the inventory states, or that --to names. Everything that can be
    done before the stop is done before it. Then the new release must get ready, be well, let a user
    in and take a post; otherwise the release before serves again, with everything that was written.
    Users wait meanwhile; how long is printed.

    Exit status: 0 the release serves and all checks passed, 1 not; the last lines say which
    release serves.

    Example: mattermost-host upgrade inventory.py --to 11.7.9
    """
    if version is None:
        if sha256:
            raise click.UsageError("--sha256 is the digest of the release that --to names.")
        sys.exit(application.upgrade(Site.use(inventory), ask=not yes))
    to = To(version, sha256)
    stated = stated_version(Site.described(inventory)[1].mattermost.release)
    sys.exit(application.upgrade(Site.use(inventory, to=to), ask=not yes, to=to, stated=stated))


@click.command()
@INVENTORY
@click.option(
    "--accept-loss",
    is_flag=True,
    help="Go back also where what users wrote since the upgrade is lost to them.",
)
@YES
def rollback(inventory: Path, accept_loss: bool, yes: bool) -> None:
    """Take the last upgrade back: the release before it serves again.

    Also one that was cut off. Nothing that users wrote is lost: where the release before could not
    use it, the rollback is refused, and the newer release goes on serving.

    Exit status: 0 the release before serves, 1 not; the last lines say which release serves.

    Example: mattermost-host rollback inventory.py
    """
    sys.exit(application.rollback(Site.use(inventory, accept_loss=accept_loss), ask=not yes))
