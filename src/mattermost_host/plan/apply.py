"""apply: the plan, a question, the run with progress, the verification, one summary."""

import time
from collections.abc import Sequence

import click

from mattermost_host.engine import locks
from mattermost_host.engine.run import Run
from mattermost_host.plan import plan as planning
from mattermost_host.plan import report as plan_report
from mattermost_host.site.site import Site
from mattermost_host.support.errors import OperatorError
from mattermost_host.verify import run as verification


def run(site: Site, limit: Sequence[str], *, ask: bool) -> int:
    """Carry out the plan of ``site``; exit status 0 where everything then holds, otherwise 1."""
    start = time.monotonic()
    with locks.held(site.path), planning.prepared(site, limit) as prepared:
        plan = planning.evaluate(prepared, site)
        plan_report.show(plan)
        changes = plan.verdict == "changes"
        if changes and ask and not click.confirm("Carry this out?"):
            click.echo("Nothing was changed.")
            return 1
        trouble = carry_out(prepared, site) if changes else ""
    if trouble:
        click.secho(f"Error: {trouble}", fg="red", err=True)
    click.echo("Verification:")
    status = verification.run(site.path, journey=False, junit=None)
    done = "The plan was applied" if changes else "Nothing had to be changed"
    if trouble:
        done = "The plan was only partly applied"
    proof = _proof(holds=status == 0, whole=not trouble)
    click.echo(f"{done}, {proof} ({time.monotonic() - start:.0f} s).")
    return 1 if trouble else status


def _proof(*, holds: bool, whole: bool) -> str:
    if holds:
        return "and everything holds" if whole else "but all checks passed"
    return "but the verification failed" if whole else "and the verification failed"


def carry_out(prepared: Run, site: Site) -> str:
    """Keep what was generated for the run, and execute it; what went wrong."""
    try:
        site.secrets.keep()
        prepared.execute()
    except OperatorError as error:
        return str(error)
    return ""
