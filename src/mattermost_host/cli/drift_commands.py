"""The commands ``drift`` and ``schedule``."""

import sys
from pathlib import Path

import click

from mattermost_host.cli.arguments import INVENTORY
from mattermost_host.drift import history as drift_history
from mattermost_host.drift import memory, ops_host, schedule
from mattermost_host.drift import run as looking
from mattermost_host.drift.repair import Heal, Scope
from mattermost_host.engine.inventory import read

HEAL = click.option(
    "--heal",
    "scope",
    type=click.Choice(["safe", "all"]),
    help="Repair what needs no restart or reload (safe), or everything within the window (all).",
)
WINDOW = click.option(
    "--window", metavar="HH:MM-HH:MM", help="When --heal all may restart services; local time."
)


@click.command()
@INVENTORY
@HEAL
@WINDOW
@click.option("--history", is_flag=True, help="Show earlier reports; check nothing.")
@click.option("--tell-failure", is_flag=True, hidden=True)
def drift(
    inventory: Path, scope: Scope | None, window: str | None, history: bool, tell_failure: bool
) -> None:
    """Check for drift and report it: journal, history, metric, webhook, mail.

    Exit status: 0 no drift, 2 drift that is still there, 1 the check failed. With --history:
    0 it is shown, 1 a part of it can't be read.

    Example: mattermost-host drift inventory.py --heal safe
    """
    heal = Heal.parse(scope, window)
    if history:
        found = drift_history.read(memory.folder(inventory) / "history.jsonl")
        drift_history.show(found)
        sys.exit(1 if found.broken else 0)
    if tell_failure:
        sys.exit(looking.tell_failure(inventory))
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
    """Check for drift from a systemd timer.

    The timer is on this machine, or on the inventory's ops host.
    An inventory with ops = ["a-machine-that-is-always-on"] has it there: that machine gets a copy
    of this checkout, of the inventory and its secrets, and needs ssh access to the site's hosts.

    Exit status: 0 the timer is installed, or removed, 1 it is not.

    Example: mattermost-host schedule inventory.py --on-calendar "*-*-* 03:00"
    """
    if remove == bool(on_calendar):
        raise click.UsageError("write either --on-calendar WHEN or --remove")
    heal = Heal.parse(scope, window)
    found = None if here else read(inventory)
    if found and found.ops:
        ops_host.schedule(found, found.ops[0], on_calendar, heal)
    elif on_calendar:
        schedule.install(inventory, on_calendar, heal)
    else:
        schedule.remove(inventory)
