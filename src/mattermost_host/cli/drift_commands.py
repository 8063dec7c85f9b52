"""The commands ``drift`` and ``schedule``."""

import sys
from pathlib import Path

import click

from mattermost_host.cli.arguments import INVENTORY
from mattermost_host.drift import history as drift_history
from mattermost_host.drift import ops_host, schedule
from mattermost_host.drift import run as looking
from mattermost_host.drift.repair import Heal, Scope
from mattermost_host.engine.inventory import read

HEAL = click.option(
    "--heal",
    "scope",
    type=click.Choice(["safe", "all"]),
    help="Put right what restarts and reloads nothing, or, in the window, everything.",
)
WINDOW = click.option(
    "--window", metavar="HH:MM-HH:MM", help="When --heal all may restart services; local time."
)


@click.command()
@INVENTORY
@HEAL
@WINDOW
@click.option("--history", is_flag=True, help="Show what was found before; look for nothing.")
def drift(inventory: Path, scope: Scope | None, window: str | None, history: bool) -> None:
    """Look for drift and tell it: journal, history, metrics, webhook, mail.

    Exit status: 0 no drift, 2 drift that is still there, 1 it could not be told. With --history:
    0 the history is as it was written, 1 it is not.

    Example: mattermost-host drift inventories/single.py --heal safe
    """
    heal = Heal.parse(scope, window)
    if history:
        found = drift_history.read(looking.history_file(inventory))
        drift_history.show(found)
        sys.exit(1 if found.broken else 0)
    sys.exit(looking.run(inventory, heal))


@click.command(name="schedule")
@INVENTORY
@click.option("--on-calendar", metavar="WHEN", help='As in systemd.time(7): "*-*-* 03:00".')
@HEAL
@WINDOW
@click.option("--remove", is_flag=True, help="Remove the timer; the history stays.")
@click.option("--here", is_flag=True, help="On this machine, whatever the inventory says.")
def schedule_command(
    inventory: Path,
    on_calendar: str | None,
    scope: Scope | None,
    window: str | None,
    remove: bool,
    here: bool,
) -> None:
    """Look for drift by a systemd timer: on this machine, or on the inventory's ops host.

    An inventory with ops = ["a-machine-that-is-always-on"] has it there: that machine gets a copy
    of this checkout, of the inventory and its secrets, and needs ssh access to the site's hosts.

    Example: mattermost-host schedule inventories/single.py --on-calendar "*-*-* 03:00"
    """
    if remove == bool(on_calendar):
        raise click.UsageError("write either --on-calendar WHEN or --remove")
    heal = Heal.parse(scope, window)
    found = read(inventory)
    elsewhere = None if here else ops_host.of(found)
    if elsewhere and remove:
        ops_host.remove(found, elsewhere)
    elif elsewhere and on_calendar:
        ops_host.install(found, elsewhere, on_calendar, heal)
    elif remove:
        schedule.remove(inventory)
    elif on_calendar:
        schedule.install(inventory, on_calendar, heal)
