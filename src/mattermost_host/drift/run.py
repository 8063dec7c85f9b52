"""Drift, a plan that should have been empty: checked for, repaired where allowed, reported."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import click

from mattermost_host.drift import alerts, history, metrics
from mattermost_host.drift.memory import Memory, folder, key
from mattermost_host.drift.outcome import PRIORITIES, Found, Level, Outcome, found_in, one_line
from mattermost_host.drift.repair import Heal, leave
from mattermost_host.engine import locks
from mattermost_host.plan import apply as application
from mattermost_host.plan import plan as planning
from mattermost_host.plan.plan import Plan
from mattermost_host.site.secrets import alert_secrets
from mattermost_host.site.secrets_file import authority_path
from mattermost_host.site.site import Site
from mattermost_host.support.defects import defect
from mattermost_host.support.errors import OperatorError

HASHES_EVERY_S = 7 * 24 * 3600
"""A plan compares sizes, owners and times of a release's files; every week their content, too."""


def run(inventory: Path, heal: Heal | None) -> int:
    """Check every host of ``inventory`` for drift, repair what ``heal`` allows, and report it.

    Exit status: 0 no drift, 2 drift that is still there, 1 the check failed. Raises Busy if another
    run is changing the site.
    """
    start, memory = time.monotonic(), Memory.read(inventory)
    outcome = Outcome(datetime.now(UTC), inventory.stem)
    try:
        with _undisturbed(inventory, heal):
            outcome = _examined(inventory, heal, outcome, memory)
    except locks.Busy:
        with _careful():
            memory.write(inventory)
        raise
    except KeyboardInterrupt:
        raise
    except OperatorError as error:
        outcome = replace(outcome, reason=str(error))
    except BaseException as error:  # nobody is watching: report it like any other failure
        outcome = replace(outcome, reason=defect(error))
    _record(inventory, memory, replace(outcome, seconds=time.monotonic() - start))
    return outcome.status


def tell_failure(inventory: Path) -> int:
    """Report that a run of the service ended before it could report: killed, timeout, no memory.

    systemd calls this after each failed run; the environment says how it ended. Exit status: that
    of a failed check.
    """
    memory = Memory.read(inventory)
    if not memory.is_of_this_invocation:
        how = map(os.environ.get, ("SERVICE_RESULT", "EXIT_CODE", "EXIT_STATUS"))
        reason = f"the check was stopped before it could report: {' '.join(filter(None, how))}"
        _record(inventory, memory, Outcome(datetime.now(UTC), inventory.stem, reason=reason))
    return 1


def say(level: Level, line: str) -> None:
    """Print a line for the journal, with its priority; on a terminal, with its colour."""
    with suppress(OSError):  # without a journal, alerts must still be sent
        if "JOURNAL_STREAM" in os.environ:
            click.echo(f"<{PRIORITIES[level]}>{one_line(line)}")
        else:
            click.secho(f"{level}: {one_line(line)}", fg="red" if PRIORITIES[level] < 4 else None)


@contextmanager
def _undisturbed(inventory: Path, heal: Heal | None) -> Iterator[None]:
    """Hold the lock for a repair; a check only makes sure that no other run holds it."""
    if heal and inventory.is_file():
        with locks.held(inventory):
            yield
    else:
        locks.refuse_busy(inventory)
        yield


def _examined(inventory: Path, heal: Heal | None, outcome: Outcome, memory: Memory) -> Outcome:
    by_hash = not 0 <= time.time() - memory.hashed < HASHES_EVERY_S
    site = Site.use(inventory, by_hash=by_hash)
    memory.settings = site.settings.drift
    with planning.prepared(site) as prepared:
        before = _found(planning.evaluate(prepared, site))
        if by_hash:
            memory.hashed = time.time()
        if heal is None or not before or not leave(prepared, heal.now(f"{datetime.now():%H:%M}")):
            return replace(outcome, drift=before)
        trouble = application.carry_out(prepared, site)
    if trouble:
        trouble = f"not everything could be repaired: {trouble}"
    # A new plan proves the repair, not the run's own result.
    after = _found(planning.make(Site.use(inventory, by_hash=by_hash)))
    healed = tuple(one for one in before if one not in after)
    return replace(outcome, drift=after, healed=healed, trouble=trouble)


def _found(plan: Plan) -> tuple[Found, ...]:
    if plan.unknown:
        raise OperatorError("\n".join(f"{host}: {why}" for host, why in plan.unknown.items()))
    return tuple(found_in(plan))


def _record(inventory: Path, memory: Memory, outcome: Outcome) -> None:
    """Write to journal, alerts, history and metric; a failure of one does not stop the others."""
    for level, line in outcome.lines():
        say(level, line)
    with _careful():
        webhook, mail_password = alert_secrets(inventory)
        authority = authority_path(inventory.resolve())
        channels = alerts.Channels(memory.settings.mail, webhook, mail_password, authority)
        memory.known, failures = alerts.tell(channels, outcome, memory.known)
        for sentence in failures:
            say("warning", sentence)
    with _careful():
        memory.write(inventory)
    with _careful():
        history.append(folder(inventory) / "history.jsonl", outcome)
    with _careful():
        if place := metrics.directory(memory.settings.metrics_directory):
            metrics.write(place, key(inventory), outcome)


@contextmanager
def _careful() -> Iterator[None]:
    try:
        yield
    except OperatorError as error:
        for line in str(error).splitlines():
            say("error", line)
    except Exception as error:
        say("error", defect(error))
