"""Keep a unit running with its current files, and answering.

Restarts come from the host's state, never from an event: see ``what_was_read``. The only exception
is a removed file, which leaves no trace: the run that removes it reloads the unit.
"""

import shlex
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from pyinfra import host
from pyinfra.api import StringCommand, operation
from pyinfra.api.operation import OperationMeta

from mattermost_host.engine.connections import is_executing
from mattermost_host.engine.explanations import Change, Effect, explain
from mattermost_host.engine.questions import ask, changing, expect
from mattermost_host.engine.restart_triggers import announce
from mattermost_host.engine.rolling import failed_before
from mattermost_host.ops import foresight
from mattermost_host.ops.probe import PATIENCE_S, Answering
from mattermost_host.ops.unit_state import AskUnit, UnitState, as_described, unmet
from mattermost_host.ops.what_was_read import STAMPS

UNIT_FILES = "/etc/systemd/system"
SHOWN = 5
"""Files that are named; a folder in the place of a link may have thousands."""
HANGS_S = 30
"""Time for a hanging process to stop by itself before it is killed."""


@dataclass(frozen=True)
class Gate:
    """Shell command that succeeds once the started service works, and a time limit."""

    command: str
    seconds: int = 60

    def wait(self, unit: str) -> str:
        """Shell script that waits for it; on failure it prints the unit's journal."""
        tried = f"until timeout 5 sh -c {shlex.quote(self.command)} >/dev/null 2>&1"
        return (
            f"end=$(($(date +%s) + {self.seconds}))\n"
            f"{tried}; do\n"
            f"  [ $(date +%s) -lt $end ] || {{ echo {unit} does not work {self.seconds} s after "
            f"its start >&2; journalctl -u {unit} -n 20 --no-pager >&2; exit 1; }}\n"
            "  sleep 0.5\ndone"
        )


class Around(Protocol):
    """What has to happen around a restart, so that users hardly notice it."""

    def around(self, unit: str, restart: Iterable[str]) -> Iterator[str]:
        """Shell lines that make ``restart``, the restart of ``unit``, at the right moment."""


@dataclass(frozen=True)
class _Wanted:
    """A unit, the files that it reads, and the operations of this run that write them."""

    question: AskUnit
    gate: Gate | None = None
    probe: str = ""
    hold: Around | None = None
    after: tuple[OperationMeta, ...] = field(default=(), compare=False)


def running(
    name: str,
    unit: str,
    restart_on: Sequence[str] = (),
    reload_on: Sequence[str] = (),
    after: Sequence[OperationMeta] = (),
    gate: Gate | None = None,
    probe: str = "",
    hold: Around | None = None,
    one_after_another: bool = False,
) -> OperationMeta:
    """Keep ``unit`` enabled, active, and started after the last change of each ``restart_on``.

    After a start or restart ``gate`` must succeed; ``hold`` says what happens around a restart.
    ``probe`` is a shell command that succeeds while the unit answers; otherwise the unit is
    stopped, killed if necessary, and started. With ``one_after_another`` the hosts take turns, and
    after a failure the units of the next hosts are left alone. ``after`` are the operations of this
    run that write such files: a plan, which writes nothing, predicts restarts from them.
    """
    question = AskUnit(unit, tuple(restart_on), tuple(reload_on))
    expect(question)
    if probe:
        expect(Answering(((unit, probe),)))
    announce(unit, restart_on, reload_on, after)
    wanted = _Wanted(question, gate, probe, hold, tuple(after))
    return _running(name=name, wanted=wanted, _serial=one_after_another)


@operation()
def _running(wanted: _Wanted) -> Generator[StringCommand, None, None]:
    unit = wanted.question.unit
    now: UnitState = ask(wanted.question)
    if not is_executing():
        now = foresight.of_unit(wanted.question, now, wanted.after)
    elif foresight.removes(wanted.after, wanted.question.reload_on):
        now = replace(now, foreseen="reload")
    if wanted.probe and now.active and not ask(Answering(((unit, wanted.probe),))):
        now = replace(now, silent=True)
    steps = list(_steps(unit, now, wanted))
    if not steps:
        host.noop(f"{unit} runs its current files")
        return
    explain(*_explained(unit, now))
    if other := failed_before():
        refused = f"{unit} is left as it is, because it failed on {other}"
        yield StringCommand(f"echo {shlex.quote(refused)} >&2; exit 1")
        return
    yield from changing(StringCommand("\n".join(["set -eu", *steps])))


def scheduled(name: str, timer: str, after: Sequence[OperationMeta]) -> None:
    """Keep a timer of ours running with its current file, which the operations ``after`` write."""
    running(name=name, unit=timer, restart_on=(f"{UNIT_FILES}/{timer}",), after=after)


def stopped(name: str, unit: str) -> OperationMeta:
    """Keep ``unit`` installed, but stopped and not started at boot."""
    expect(AskUnit(unit))
    return _stopped(name=name, unit=unit)


@operation()
def _stopped(unit: str) -> Generator[StringCommand, None, None]:
    now: UnitState = ask(AskUnit(unit))
    if not (now.active or now.enabled):
        host.noop(f"{unit} is stopped")
        return
    explain(Change(unit, "runs, but should be stopped" if now.active else "starts at boot"))
    yield from changing(StringCommand(f"systemctl disable --quiet --now {unit}"))


def _explained(unit: str, now: UnitState) -> Iterator[Change]:
    if now.masked:
        yield Change(unit, "is masked", severity="critical")
    elif not now.enabled:
        yield Change(unit, "does not start at boot")
    for path in now.masks:
        yield Change(unit, f"is masked by {path}", severity="critical")
    for path in now.overriding:
        yield Change(unit, f"is overridden by {path}", "restart", "critical")
    yield from unmet(unit, now)
    yield from _of_process(unit, now)
    told = now.to_restart or (now.to_reload and now.foreseen == "reload")
    if now.active and now.foreseen and not told:
        yield Change(unit, "will have newer files", now.foreseen)


def _of_process(unit: str, now: UnitState) -> Iterator[Change]:
    for less in now.lowered:
        yield Change(unit, f"{less} than its unit says", "restart")
    if now.silent:
        found = f"runs, but does not answer within {PATIENCE_S} s"
        yield Change(unit, found, "restart", "critical")
    elif now.suspended:
        yield Change(unit, "runs, but its process was stopped by a signal", "restart", "critical")
    if now.needs_daemon_reload:
        effect: Effect = "restart" if _is_stale(now) else "change"
        yield Change(unit, "has unit files that systemd has not read", effect)
    if not now.active:
        yield Change(unit, "does not run", "restart", "critical")
    for path in now.to_restart[:SHOWN]:
        yield Change(unit, f"was started before {path} changed", "restart")
    if (more := len(now.to_restart) - SHOWN) > 0:
        yield Change(unit, f"was started before {more} more files changed", "restart")
    for path in now.to_reload:
        yield Change(unit, f"has not read {path} since it changed", "reload")


def _steps(unit: str, now: UnitState, wanted: _Wanted) -> Iterator[str]:
    stale = _not_lost(wanted.question) if now.active and _is_stale(now) else ()
    changes = now.foreseen == "change"
    yield from as_described(unit, now, reload=changes, before_reload=stale)
    if not now.active:
        yield f"systemctl reset-failed {unit} 2>/dev/null || true"
        yield from _started("start", unit, wanted.gate)
    elif now.silent or now.suspended:
        yield from _killed(unit)
        yield from _started("start", unit, wanted.gate)
    elif _is_stale(now) or now.foreseen == "restart":
        restart = _started("restart", unit, wanted.gate)
        yield from wanted.hold.around(unit, restart) if wanted.hold else restart
    elif now.to_reload or now.foreseen == "reload":
        # The stamp has the time before the reload, so a file that is written meanwhile is newer.
        stamp = f"{STAMPS}/reloaded:{unit}"
        yield f"mkdir -p -m 755 {STAMPS}; touch {stamp}~"
        yield f"{_or_journal('reload', unit)}; mv {stamp}~ {stamp}"


def _is_stale(now: UnitState) -> bool:
    unread = now.needs_daemon_reload and not now.unit_files_alike
    return bool(now.to_restart or unread or now.overriding or now.lowered)


def _not_lost(stale: AskUnit) -> Iterator[str]:
    """Don't lose a restart if the run ends between daemon-reload and restart.

    The process may have started after its unit file changed, but before systemd read that. So the
    file is touched, and the note of what was read at the start is removed.
    """
    yield f"rm -f {STAMPS}/read:{stale.unit}"
    for path in stale.restart_on:
        if path.startswith(UNIT_FILES):
            yield f"touch -c {shlex.quote(path)}"


def _killed(unit: str) -> Iterator[str]:
    """Stop a hanging process: continue it, let it end within a time limit, else kill it."""
    yield f"systemctl kill --signal=CONT {unit} || true"
    yield f"timeout {HANGS_S} systemctl stop {unit} || systemctl kill --signal=KILL {unit} || true"


def _started(verb: str, unit: str, gate: Gate | None) -> Iterator[str]:
    yield _or_journal(verb, unit)
    if gate:
        yield gate.wait(unit)


def _or_journal(verb: str, unit: str) -> str:
    return f"systemctl {verb} {unit} || {{ journalctl -u {unit} -n 20 --no-pager >&2; exit 1; }}"
