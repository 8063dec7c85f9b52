"""Drift: a plan that should have been empty. Looked for, put right where allowed, and told."""

import os
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import click

from mattermost_host.drift import (
    alerts as drift_alerts,
)
from mattermost_host.drift import (
    history as drift_history,
)
from mattermost_host.drift import (
    metrics as drift_metrics,
)
from mattermost_host.drift.alerts import Channels
from mattermost_host.drift.outcome import PRIORITIES, Found, Level, Outcome, found_in, one_line
from mattermost_host.drift.repair import Heal, leave_all, leave_safe
from mattermost_host.engine import locks
from mattermost_host.engine.run import Run
from mattermost_host.plan import apply as application
from mattermost_host.plan import plan as planning
from mattermost_host.plan.plan import Plan
from mattermost_host.site.secrets_file import authority_path
from mattermost_host.site.site import Site
from mattermost_host.support.errors import OperatorError
from mattermost_host.support.paths import home

HASHES_EVERY_S = 7 * 24 * 3600
"""A plan compares sizes, owners and times of a release's files; every week their content, too."""
STYLES = {"critical": "red", "error": "red", "warning": "yellow"}


def run(inventory: Path, heal: Heal | None) -> int:
    """Look for drift on every host of ``inventory``, put right what ``heal`` allows, tell it.

    Exit status: 0 no drift, 2 drift that is still there, 1 it could not be told. Raises
    OperatorError where another run is changing the site: what is half done is no drift.
    """
    # Without an inventory there is nothing to lock, and that is told like anything else.
    with locks.held(inventory) if inventory.is_file() else nullcontext():
        site, outcome = _outcome(inventory, heal)
    for level, line in outcome.lines():
        say(level, line)
    _record(inventory, site, outcome)
    return outcome.status


def key(inventory: Path) -> str:
    """A name for the inventory's units and files: readable, and no other inventory's."""
    path = inventory.resolve()
    return f"{path.stem}-{sha256(str(path).encode()).hexdigest()[:6]}"


def folder(inventory: Path) -> Path:
    """Where history and memory of the inventory are kept, on the control machine."""
    stated = os.environ.get("XDG_STATE_HOME")
    usual = Path("/var/lib") if os.geteuid() == 0 else home() / ".local/state"
    return Path(stated or usual) / "mattermost-host" / "drift" / key(inventory)


def history_file(inventory: Path) -> Path:
    """The history of the inventory's drift."""
    return folder(inventory) / "history.jsonl"


def say(level: Level, line: str) -> None:
    """A line for the journal, with its priority; on a terminal with its colour."""
    if "JOURNAL_STREAM" in os.environ:
        click.echo(f"<{PRIORITIES[level]}>{line}")
    else:
        click.secho(f"{level}: {line}", fg=STYLES.get(level))


def _outcome(inventory: Path, heal: Heal | None) -> tuple[Site | None, Outcome]:
    start, began, site = time.monotonic(), datetime.now(UTC), None
    outcome = Outcome(inventory.stem, began, 0)
    try:
        site = Site.use(inventory)
        Site.by_hash = _hashes_are_due(folder(inventory) / "hashed")
        outcome = _examined(site, heal, outcome)
        if Site.by_hash:
            _note_hashes(folder(inventory) / "hashed")
    except OperatorError as error:
        outcome = replace(outcome, reason=str(error))
    except Exception as error:  # nobody is there to see it: it is told like anything else
        traceback.print_exc()
        outcome = replace(outcome, reason=f"a defect: {type(error).__name__}: {error}")
    return site, replace(outcome, seconds=time.monotonic() - start)


def _hashes_are_due(last: Path) -> bool:
    """``last`` is as old as the last look at the content of every file of the releases."""
    try:
        return not 0 <= time.time() - last.stat().st_mtime < HASHES_EVERY_S
    except OSError:
        return True


def _note_hashes(last: Path) -> None:
    # Where it can't be noted, every look is a thorough one.
    with suppress(OSError):
        last.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        last.touch()


def _examined(site: Site, heal: Heal | None, outcome: Outcome) -> Outcome:
    with planning.prepared(site) as prepared:
        before = _found(planning.evaluate(prepared, site))
        if heal is None or not _something_is_left(prepared, heal, before):
            return replace(outcome, drift=before)
        trouble = _put_right(prepared)
    # What a run says of itself is no proof; a plan of its own is.
    after = _found(planning.make(site))
    healed = tuple(one for one in before if one not in after)
    return replace(outcome, drift=after, healed=healed, trouble=trouble)


def _found(plan: Plan) -> tuple[Found, ...]:
    if plan.unknown:
        raise OperatorError("\n".join(f"{host}: {why}" for host, why in plan.unknown.items()))
    return found_in(plan)


def _something_is_left(prepared: Run, heal: Heal, before: Sequence[Found]) -> bool:
    """Whether the run has anything to do after what may not be done now was taken out of it."""
    leave = leave_all if heal.now(datetime.now()) == "all" else leave_safe
    return bool(before) and leave(prepared) > 0


def _put_right(prepared: Run) -> str:
    """Carry the run out; what went wrong with it."""
    try:
        application.execute(prepared)
    except OperatorError as error:
        return f"not everything could be put right: {error}"
    return ""


def _record(inventory: Path, site: Site | None, outcome: Outcome) -> None:
    """History, metrics, people. What fails is said, and keeps nothing else from being done."""
    here = folder(inventory)
    stated = site.settings.drift.metrics_directory if site else None
    metrics = drift_metrics.directory(stated)
    _carefully(lambda: _write_history(here, outcome))
    if metrics is not None:
        _carefully(lambda: drift_metrics.write(metrics, key(inventory), outcome))
    if site is not None:
        _carefully(lambda: _tell(here, _channels(site), outcome))


def _write_history(here: Path, outcome: Outcome) -> None:
    digest = drift_history.append(here / "history.jsonl", outcome)
    say("info", f"history: the newest line's SHA-256 is {digest}")


def _tell(here: Path, channels: Channels, outcome: Outcome) -> None:
    for sentence in drift_alerts.tell(here / "told.json", outcome, channels):
        say("warning", one_line(sentence))


def _channels(site: Site) -> Channels:
    return Channels(
        webhook=site.secrets.drift_webhook,
        authority=authority_path(site.path) if site.secrets.authority else None,
        mail=site.settings.drift.mail,
        mail_password=site.secrets.drift_mail_password,
    )


def _carefully(act: Callable[[], None]) -> None:
    try:
        act()
    except OperatorError as error:
        for line in str(error).splitlines():
            say("error", one_line(line))
