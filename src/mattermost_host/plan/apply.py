"""apply: show the plan, ask, run it with progress, verify, and summarise."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from mattermost_host.engine import locks
from mattermost_host.engine.run import Run
from mattermost_host.plan import plan as planning
from mattermost_host.plan import report as plan_report
from mattermost_host.site.leaving import kept
from mattermost_host.site.site import Site
from mattermost_host.site.to import To, what_to_write
from mattermost_host.support.errors import OperatorError
from mattermost_host.verify import run as verification

GOES_ON = (
    "the error is shown above. If a program on the host was at work, it goes on without this "
    "machine: run the same command again, and it says where things stand."
)


@dataclass(frozen=True)
class _Outcome:
    changes: bool
    trouble: str
    """The error, as a sentence."""


def run(site: Site, limit: Sequence[str], *, ask: bool) -> int:
    """Apply the plan of ``site``; exit status 0 if all checks passed afterwards, otherwise 1."""
    start = time.monotonic()
    outcome = _carried_out(site, limit, planning.DEPLOY, ask=ask)
    if outcome is None:
        return 1
    click.echo("Verification:")
    status = verification.run(site.path, journey=False, junit=None)
    done = "The plan was applied" if outcome.changes else "Nothing had to be changed"
    if outcome.trouble:
        done = "The plan was only partly applied"
    proof = _proof(holds=status == 0, whole=not outcome.trouble)
    click.echo(f"{done}, {proof} ({time.monotonic() - start:.0f} s).")
    return 1 if outcome.trouble else status


def upgrade(site: Site, *, ask: bool, to: To | None = None, stated: str | None = None) -> int:
    """Move ``site`` to its release; exit status 0 where that serves and everything holds.

    ``to`` is the release where the command line names it, ``stated`` what the inventory says then.
    Where it failed, nothing is verified: the inventory states a release that the host has left.
    """
    start = time.monotonic()
    outcome = _carried_out(site, (), planning.UPGRADE, ask=ask)
    if outcome is None or outcome.trouble:
        return 1
    click.echo("Verification:")
    options = to.options() if to else ()
    status = verification.run(site.path, journey=False, junit=None, release=options)
    done = "The release was upgraded" if outcome.changes else "Nothing had to be changed"
    proof = _proof(holds=status == 0, whole=True)
    click.echo(f"{done}, {proof} ({time.monotonic() - start:.0f} s).")
    if to:
        click.echo(what_to_write(stated, to))
    return status


def rollback(site: Site, *, ask: bool) -> int:
    """Undo the last upgrade of ``site``; exit status 0 if the previous release serves."""
    outcome = _carried_out(site, (), planning.ROLLBACK, ask=ask)
    if outcome is None or outcome.trouble:
        return 1
    click.echo(
        "The release before serves. State it in the inventory: a deploy would upgrade again."
        if outcome.changes
        else "There is no upgrade to take back."
    )
    return 0


def uninstall(site: Site, *, ask: bool) -> int:
    """Remove ``site`` from its hosts, its data only as far as it is named; 0 if that was done."""
    start = time.monotonic()
    outcome = _carried_out(site, (), planning.UNINSTALL, ask=ask)
    if outcome is None or outcome.trouble:
        return 1
    done = "The site was removed" if outcome.changes else "There is nothing to remove"
    click.echo(f"{kept(site.delete)}\n{done} ({time.monotonic() - start:.0f} s).")
    return 0


def upgrade_postgresql(site: Site, *, back: bool, ask: bool) -> int:
    """Move the database of ``site`` to another PostgreSQL, or back; 0 if everything then holds."""
    deploy = planning.ROLLBACK_POSTGRESQL if back else planning.UPGRADE_POSTGRESQL
    done = "The database was moved back" if back else "The database was moved"
    return _followed_by_deploy(site, deploy, done, "Nothing had to be moved", ask=ask)


def take_over(site: Site, *, ask: bool) -> int:
    """Move a server that somebody else installed over to ``site``; 0 if everything then holds."""
    done, nothing = "The server was taken over", "There was nothing to take over"
    return _followed_by_deploy(site, planning.TAKE_OVER, done, nothing, ask=ask)


def upgrade_system(site: Site, *, ask: bool) -> int:
    """Upgrade the system of the host of ``site``; 0 where everything then holds."""
    done, nothing = "The system was upgraded", "The system has its newest release"
    return _followed_by_deploy(site, planning.UPGRADE_SYSTEM, done, nothing, ask=ask)


def _followed_by_deploy(site: Site, deploy: Path, done: str, nothing: str, *, ask: bool) -> int:
    """Carry out ``deploy``, and where it changed something, the deploy of the site after it."""
    start = time.monotonic()
    outcome = _carried_out(site, (), deploy, ask=ask)
    if outcome is None or outcome.trouble:
        return 1
    if outcome.changes:
        click.echo("What goes with it follows:")
        # Read anew: what the first run generated is in the secrets file now.
        follow = _carried_out(Site.use(site.path), (), planning.DEPLOY, ask=False)
        if follow is None or follow.trouble:
            click.echo(f"{done}; deploy the site again (`mattermost-host apply`).")
            return 1
    click.echo("Verification:")
    status = verification.run(site.path, journey=False, junit=None)
    proof = _proof(holds=status == 0, whole=True)
    said = done if outcome.changes else nothing
    click.echo(f"{said}, {proof} ({time.monotonic() - start:.0f} s).")
    return status


def _carried_out(site: Site, limit: Sequence[str], deploy: Path, *, ask: bool) -> _Outcome | None:
    """Show the plan of ``deploy``, ask, and execute it; None if the answer was no."""
    with locks.held(site.path), planning.prepared(site, limit, deploy) as prepared:
        plan = planning.evaluate(prepared, site)
        plan_report.show(plan)
        changes = plan.verdict == "changes"
        if deploy != planning.DEPLOY:
            prepared.advice = GOES_ON
        for_good = f", and delete {', '.join(site.delete)} for good" if site.delete else ""
        if changes and ask and not click.confirm(f"Carry this out{for_good}?"):
            click.echo("Nothing was changed.")
            return None
        trouble = carry_out(prepared, site) if changes else ""
    if trouble:
        click.secho(f"Error: {trouble}", fg="red", err=True)
    return _Outcome(changes, trouble)


def _proof(*, holds: bool, whole: bool) -> str:
    if holds:
        return "and everything holds" if whole else "but all checks passed"
    return "but the verification failed" if whole else "and the verification failed"


def deployed(site: Site, deploy: Path = planning.DEPLOY) -> None:
    """Carry ``deploy`` out, without a question: part of what was asked for already.

    Raises OperatorError where it fails.
    """
    with planning.prepared(site, (), deploy) as prepared:
        if planning.evaluate(prepared, site).verdict == "changes":
            site.secrets.keep()
            prepared.execute()


def carry_out(prepared: Run, site: Site) -> str:
    """Write what was generated for the run, and execute it; returns the errors."""
    try:
        site.secrets.keep()
        prepared.execute()
    except OperatorError as error:
        return str(error)
    return ""
