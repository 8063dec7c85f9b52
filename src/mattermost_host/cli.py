"""The command ``mattermost-host``: what pyinfra itself has no command for."""

import sys
from pathlib import Path

import click

from mattermost_host import preflight as checks
from mattermost_host import verification
from mattermost_host.site import Site

INVENTORY = click.argument("inventory", type=click.Path(path_type=Path))


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="mattermost-host")
def main() -> None:
    """Mattermost on Linux hosts, kept right.

    Deploy with pyinfra itself:

        pyinfra inventories/single.py deploys/site.py
    """


@main.command()
@INVENTORY
@click.option("--json", "as_json", is_flag=True, help="Print every finding as JSON.")
@click.option("-v", "--verbose", is_flag=True, help="Print what is right, too.")
def preflight(inventory: Path, as_json: bool, verbose: bool) -> None:
    """Say whether the hosts will do; touch nothing.

    Exit status: 0 all is well (warnings included), 1 something must be put right first.

    Example: mattermost-host preflight inventories/single.py
    """
    report = checks.run(Site.load(inventory))
    if as_json:
        click.echo(report.to_json())
    else:
        report.show(verbose=verbose)
    sys.exit(1 if report.errors else 0)


@main.command()
@INVENTORY
@click.option("--journey", is_flag=True, help="Also go the way of two users, and clean up.")
@click.option("--junit", type=click.Path(path_type=Path), help="Write a JUnit file.")
def verify(inventory: Path, journey: bool, junit: Path | None) -> None:
    """Prove each host from the same description; read-only without --journey.

    Exit status: 0 everything holds, 1 something does not.

    Example: mattermost-host verify inventories/single.py --journey
    """
    sys.exit(verification.run(inventory, journey=journey, junit=junit))
