"""The command ``mattermost-host``: what pyinfra itself has no command for."""

import sys
from pathlib import Path

import click

from mattermost_host.cli.adopt import adopt, take_over
from mattermost_host.cli.arguments import INVENTORY, OUTPUT, OutputFile, refuse_same
from mattermost_host.cli.backup_commands import backup, drill, restore
from mattermost_host.cli.drift_commands import drift, schedule_command
from mattermost_host.cli.init import init
from mattermost_host.cli.sentences import Sentences
from mattermost_host.cli.size import size
from mattermost_host.cli.uninstall import uninstall
from mattermost_host.cli.upgrade import rollback, upgrade
from mattermost_host.cli.upgrade_postgresql import upgrade_postgresql
from mattermost_host.cli.upgrade_system import upgrade_system
from mattermost_host.plan import apply as application
from mattermost_host.plan import plan as planning
from mattermost_host.plan import report as plan_report
from mattermost_host.preflight import run as checks
from mattermost_host.site.site import Site
from mattermost_host.support import output
from mattermost_host.verify import run as verification

LIMIT = click.option(
    "--limit", "hosts", multiple=True, metavar="HOST", help="Only this host; repeatable."
)
WITHOUT = click.option(
    "--without",
    multiple=True,
    metavar="HOST",
    help="Not this host, which is lost for now; repeatable.",
)


@click.group(cls=Sentences, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="mattermost-host")
def main() -> None:
    """Install Mattermost on Linux hosts, and keep it correct.

    Deploy with pyinfra itself:

        pyinfra inventory.py deploys/site.py
    """


@main.command()
@INVENTORY
@click.option("--json", "as_json", is_flag=True, help="Print every finding as JSON.")
@click.option("-v", "--verbose", is_flag=True, help="Print passed checks, too.")
def preflight(inventory: Path, as_json: bool, verbose: bool) -> None:
    """Check whether the hosts meet the requirements; change nothing.

    Exit status: 0 ready (perhaps with warnings), 1 something must be corrected first.

    Example: mattermost-host preflight inventory.py
    """
    report = checks.run(Site.use(inventory))
    if as_json:
        click.echo(report.to_json())
    else:
        report.show(verbose=verbose)
    sys.exit(1 if report.errors else 0)


@main.command()
@INVENTORY
@LIMIT
@WITHOUT
@click.option(
    "--json", "json_file", type=OUTPUT, help="Write the plan as JSON; - for standard output."
)
@click.option("--junit", type=OUTPUT, help="Write the plan as a JUnit file.")
def plan(
    inventory: Path,
    hosts: tuple[str, ...],
    without: tuple[str, ...],
    json_file: str | None,
    junit: str | None,
) -> None:
    """Show what a deploy would change, restart and reload; change nothing.

    Exit status: 0 nothing would change, 2 something would, 1 error.

    Example: mattermost-host plan inventory.py
    """
    refuse_same(("INVENTORY", inventory), ("--json", json_file), ("--junit", junit))
    site = Site.use(inventory)
    made = planning.make(site, planning.chosen(site, hosts, without))
    if json_file:
        output.write(json_file, made.to_json())
    if junit:
        output.write(junit, plan_report.junit(made))
    if "-" not in (json_file, junit):
        plan_report.show(made)
    sys.exit(made.status)


@main.command()
@INVENTORY
@LIMIT
@WITHOUT
@click.option("-y", "--yes", is_flag=True, help="Do not ask before changing anything.")
def apply(inventory: Path, hosts: tuple[str, ...], without: tuple[str, ...], yes: bool) -> None:
    """Show the plan, ask, deploy, and verify the hosts.

    Exit status: 0 all checks passed, 1 not.

    Example: mattermost-host apply inventory.py --yes
    """
    site = Site.use(inventory)
    sys.exit(application.run(site, planning.chosen(site, hosts, without), ask=not yes))


@main.command()
@INVENTORY
@click.option("--journey", is_flag=True, help="Also test end to end with two users, and clean up.")
@click.option(
    "--json", "json_file", type=OUTPUT, help="Write the report as JSON; - for standard output."
)
@click.option("--junit", type=OutputFile(dash=False), help="Write a JUnit file.")
def verify(inventory: Path, journey: bool, json_file: str | None, junit: str | None) -> None:
    """Check each host against the inventory.

    It changes nothing; --journey creates two users and a team, and removes them again.

    Exit status: 0 all checks passed, 1 at least one failed or none could be made.

    Example: mattermost-host verify inventory.py --journey
    """
    refuse_same(("INVENTORY", inventory), ("--json", json_file), ("--junit", junit))
    file = Path(junit) if junit else None
    sys.exit(verification.run(inventory, journey=journey, junit=file, json_file=json_file))


main.add_command(init)
main.add_command(size)
main.add_command(adopt)
main.add_command(take_over)
main.add_command(backup)
main.add_command(restore)
main.add_command(drill)
main.add_command(drift)
main.add_command(schedule_command)
main.add_command(upgrade)
main.add_command(upgrade_postgresql)
main.add_command(upgrade_system)
main.add_command(rollback)
main.add_command(uninstall)
