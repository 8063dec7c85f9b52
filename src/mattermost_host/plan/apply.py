"""apply: the plan, a question, the run with progress, the verification, one summary."""

import logging
import time
from collections.abc import Sequence

import click
from pyinfra.api import State
from pyinfra.api.operations import run_ops
from pyinfra.api.state import StateStage
from pyinfra_cli.log import setup_logging

from mattermost_host.engine import locks
from mattermost_host.plan import plan as planning
from mattermost_host.plan import report as plan_report
from mattermost_host.site.site import Site
from mattermost_host.support.errors import OperatorError
from mattermost_host.verify import run as verification


def run(site: Site, limit: Sequence[str], *, ask: bool) -> int:
    """Carry out the plan of ``site``; exit status 0 where everything then holds, otherwise 1."""
    start = time.monotonic()
    with locks.held(site.path), planning.prepared(site, limit) as state:
        plan = planning.evaluate(state)
        plan_report.show(plan)
        changes = plan.verdict == "changes"
        if changes:
            if ask and not click.confirm("Carry this out?"):
                click.echo("Nothing was changed.")
                return 1
            execute(state)
    click.echo("Verification:")
    status = verification.run(site.path, journey=False, junit=None)
    done = "The plan was carried out" if changes else "Nothing had to change"
    proof = "and everything holds" if status == 0 else "but the verification failed"
    click.echo(f"{done}, {proof} ({time.monotonic() - start:.0f} s).")
    return status


def execute(state: State) -> None:
    """Run the prepared operations, with pyinfra's own lines of progress.

    Raises OperatorError that names the hosts on which it failed.
    """
    setup_logging(logging.INFO)
    state.set_stage(StateStage.Execute)
    run_ops(state)
    failed = sorted(host.name for host in state.failed_hosts)
    if failed:
        raise OperatorError(
            f"the run failed on {', '.join(failed)}; what went wrong is said above. "
            "Run it again when it is put right: it goes on where it stopped."
        )
