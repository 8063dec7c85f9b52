"""A unit that runs its current files. Restarts come from the host's state, never from an event.

systemd makes the link /run/systemd/units/invocation:UNIT anew at each start, so a file whose
inode changed after that link is newer than the running process, whoever changed it and whatever
became of the run that did. A reload leaves a stamp of ours that is compared in the same way.
"""

import shlex
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from pyinfra import host
from pyinfra.api import StringCommand, operation
from pyinfra.api.operation import OperationMeta

from mattermost_host.engine.batch import Question
from mattermost_host.engine.connections import is_executing
from mattermost_host.engine.explanations import Change, explain
from mattermost_host.engine.questions import ask, changing, expect
from mattermost_host.engine.restart_triggers import announce
from mattermost_host.engine.rolling import failed_before
from mattermost_host.ops import unit_files

STAMPS = "/run/mattermost-host"
UNIT_FILES = "/etc/systemd/system"
PROPERTIES = "ActiveState,UnitFileState,LoadState,NeedDaemonReload,DropInPaths,LimitNOFILE,MainPID"


@dataclass(frozen=True)
class UnitState:
    """What systemd says of a unit, and which of its files it has not read yet."""

    active: bool = False
    enabled: bool = False
    masked: bool = False
    needs_daemon_reload: bool = False
    to_restart: tuple[str, ...] = ()
    to_reload: tuple[str, ...] = ()
    overriding: tuple[str, ...] = ()
    """Unit files and drop-ins, not ours, that go before what is described."""
    masks: tuple[str, ...] = ()
    """Links to /dev/null in place of the unit file."""
    low_limit: bool = False
    """Whether the process may open fewer files than its unit says and the system allows."""


@dataclass(frozen=True)
class AskUnit(Question["UnitState"]):
    """The state of ``unit`` against the files it reads."""

    unit: str
    restart_on: tuple[str, ...] = ()
    reload_on: tuple[str, ...] = ()

    def script(self) -> str:
        started = f"/run/systemd/units/invocation:{self.unit}"
        stamp = f"{STAMPS}/reloaded:{self.unit}"
        lines = [
            # `systemctl show` takes longer than all of the others: it is asked once.
            f'unit=$(systemctl show -p {PROPERTIES} {self.unit}); echo "$unit"',
            "process=${unit##*MainPID=}; process=${process%%[!0-9]*}",
            '[ "${process:-0}" = 0 ] || readlink "/proc/$process/exe"'
            " | sed -n 's/^\\(.*\\) (deleted)$/Restart=\\1/p'",
            unit_files.LIMITS,
            f"find {_words(unit_files.places(self.unit))} -maxdepth 1"
            " ! -type d -printf 'Overriding=%p|%l\\n'",
        ]
        if self.restart_on:
            lines.append(
                # Another mode of a folder changes nothing of what is read.
                f"find {_words(self.restart_on)} \\( -type d -newer {started} -o"
                f" ! -type d -cnewer {started} \\) -printf 'Restart=%p\\n'"
            )
        if self.reload_on:
            lines.append(
                f"newer='-cnewer {started}'\n"
                f'[ -e {stamp} ] && newer="$newer -cnewer {stamp}"\n'
                f"find {_words(self.reload_on)} $newer -printf 'Reload=%p\\n'"
            )
        return "\n".join(lines)

    def _is_ours(self, path: str) -> bool:
        return any(path == one or path.startswith(f"{one}/") for one in self.restart_on)

    def parse(self, lines: list[str]) -> UnitState:
        values: dict[str, list[str]] = {}
        for line in lines:
            key, _, value = line.partition("=")
            values.setdefault(key, []).append(value)
        first = {key: items[0] for key, items in values.items()}
        # systemd forgets drop-in folders made after it last read its files, and does not say so.
        known = first.get("DropInPaths", "").split()
        found = unit_files.overriding(self.unit, values.get("Overriding", ()))
        drop_ins = [path for path in found if path.endswith(".conf")]
        masked = first.get("LoadState") == "masked"  # then it knows of none
        unread = [path for path in drop_ins if path not in known and not masked]
        foreign = {path: to for path, to in found.items() if not self._is_ours(path)}
        return UnitState(
            active=first.get("ActiveState") in {"active", "reloading"},
            enabled=first.get("UnitFileState") in {"enabled", "static", "indirect", "generated"},
            masked=masked,
            needs_daemon_reload=first.get("NeedDaemonReload") == "yes" or bool(unread),
            to_restart=tuple(values.get("Restart", ())),
            to_reload=tuple(values.get("Reload", ())),
            overriding=tuple(path for path, to in foreign.items() if to != unit_files.MASK),
            masks=tuple(path for path, to in foreign.items() if to == unit_files.MASK),
            low_limit=unit_files.is_low(values.get("Files", []), first.get("LimitNOFILE", "0")),
        )


@dataclass(frozen=True)
class Gate:
    """Shell that succeeds once the started service works, and how long that may take."""

    command: str
    seconds: int = 60

    def wait(self, unit: str) -> str:
        """Shell that waits for it; a failure shows the unit's journal."""
        tried = f"until timeout 5 sh -c {shlex.quote(self.command)} >/dev/null 2>&1"
        return (
            f"end=$(($(date +%s) + {self.seconds}))\n"
            f"{tried}; do\n"
            f"  [ $(date +%s) -lt $end ] || {{ echo {unit} does not work {self.seconds} s after "
            f"its start >&2; journalctl -u {unit} -n 20 --no-pager >&2; exit 1; }}\n"
            "  sleep 0.5\ndone"
        )


@dataclass(frozen=True)
class _Wanted:
    """A unit, the files it reads, and the operations of this run that write them."""

    question: AskUnit
    gate: Gate | None = None
    restart_after: tuple[OperationMeta, ...] = field(default=(), compare=False)
    reload_after: tuple[OperationMeta, ...] = field(default=(), compare=False)


def running(
    name: str,
    unit: str,
    restart_on: Sequence[str] = (),
    reload_on: Sequence[str] = (),
    restart_after: Sequence[OperationMeta] = (),
    reload_after: Sequence[OperationMeta] = (),
    gate: Gate | None = None,
    one_after_another: bool = False,
) -> OperationMeta:
    """Keep ``unit`` enabled, active and started later than each file of ``restart_on``.

    After a start or restart ``gate`` must succeed. With ``one_after_another`` the hosts have their
    turns, and where one fails, the units of the next ones are left as they are.

    ``restart_after`` and ``reload_after`` name operations of this run that write such files:
    a plan, which writes nothing, foresees the restart by them.
    """
    question = AskUnit(unit, tuple(restart_on), tuple(reload_on))
    expect(question)
    announce(unit, [*restart_on, *reload_on], [*restart_after, *reload_after])
    wanted = _Wanted(question, gate, tuple(restart_after), tuple(reload_after))
    return _running(name=name, wanted=wanted, _serial=one_after_another)


@operation()
def _running(wanted: _Wanted) -> Generator[StringCommand, None, None]:
    unit = wanted.question.unit
    now: UnitState = ask(wanted.question)
    steps = list(_steps(unit, now, wanted))
    if not steps:
        host.noop(f"{unit} runs its current files")
        return
    explain(*_explained(unit, now, wanted))
    if other := failed_before():
        refused = f"{unit} is left as it is, because it failed on {other}"
        yield StringCommand(f"echo {shlex.quote(refused)} >&2; exit 1")
        return
    yield from changing(StringCommand("\n".join(["set -eu", *steps])))


def stopped(name: str, unit: str) -> OperationMeta:
    """Keep ``unit`` installed, but neither running nor started at boot."""
    expect(AskUnit(unit))
    return _stopped(name=name, unit=unit)


@operation()
def _stopped(unit: str) -> Generator[StringCommand, None, None]:
    now: UnitState = ask(AskUnit(unit))
    if not (now.active or now.enabled):
        host.noop(f"{unit} is stopped")
        return
    explain(Change(unit, "runs, and is to be stopped" if now.active else "starts at boot"))
    yield from changing(StringCommand(f"systemctl disable --quiet --now {unit}"))


def _explained(unit: str, now: UnitState, wanted: _Wanted) -> Iterator[Change]:
    if now.masked:
        yield Change(unit, "is masked", severity="critical")
    elif not now.enabled:
        yield Change(unit, "does not start at boot")
    for path in now.masks:
        yield Change(unit, f"is masked by {path}", severity="critical")
    for path in now.overriding:
        yield Change(unit, f"is overridden by {path}", "restart", "critical")
    if now.low_limit:
        yield Change(unit, "may open fewer files than its unit says", "restart")
    if now.needs_daemon_reload:
        yield Change(unit, "has unit files that systemd has not read", "restart")
    if not now.active:
        yield Change(unit, "does not run", "restart", "critical")
    for path in now.to_restart:
        yield Change(unit, f"runs since before {path} changed", "restart")
    for path in now.to_reload:
        yield Change(unit, f"has not read {path} since it changed", "reload")
    if now.active and not now.to_restart and _foreseen(wanted.restart_after):
        yield Change(unit, "will have newer files", "restart")
    elif now.active and not now.to_reload and _foreseen(wanted.reload_after):
        yield Change(unit, "will have newer files", "reload")


def _steps(unit: str, now: UnitState, wanted: _Wanted) -> Iterator[str]:
    if now.masked:
        yield f"systemctl unmask {unit}"
    if removed := (*now.masks, *now.overriding):
        yield f"rm -f -- {_words(removed)}"
    if now.needs_daemon_reload or removed:
        stale = now.active and bool(now.needs_daemon_reload or now.overriding)
        yield from _daemon_reload(wanted.question.restart_on if stale else ())
    if not now.enabled:
        yield f"systemctl enable --quiet {unit}"
    if not now.active:
        yield f"systemctl reset-failed {unit} 2>/dev/null || true"
        yield from _started("start", unit, wanted.gate)
    elif _is_stale(now) or _foreseen(wanted.restart_after):
        yield from _started("restart", unit, wanted.gate)
    elif now.to_reload or _foreseen(wanted.reload_after):
        # The stamp is as old as the beginning of the reload: a file written meanwhile is newer.
        stamp = f"{STAMPS}/reloaded:{unit}"
        yield f"mkdir -p -m 755 {STAMPS}; touch {stamp}~"
        yield f"{_or_journal('reload', unit)}; mv {stamp}~ {stamp}"


def _is_stale(now: UnitState) -> bool:
    return bool(now.to_restart or now.needs_daemon_reload or now.overriding or now.low_limit)


def _daemon_reload(restart_on: Sequence[str]) -> Iterator[str]:
    """A process may be younger than a unit file that systemd had not read when it started it.

    The file is made the younger one, so that the restart is not lost if the run ends here.
    """
    for path in restart_on:
        if path.startswith(UNIT_FILES):
            yield f"touch -c {shlex.quote(path)}"
    yield "systemctl daemon-reload"


def _started(verb: str, unit: str, gate: Gate | None) -> Iterator[str]:
    yield _or_journal(verb, unit)
    if gate:
        yield gate.wait(unit)


def _or_journal(verb: str, unit: str) -> str:
    return f"systemctl {verb} {unit} || {{ journalctl -u {unit} -n 20 --no-pager >&2; exit 1; }}"


def _foreseen(operations: tuple[OperationMeta, ...]) -> bool:
    return not is_executing() and any(meta.will_change for meta in operations)


def _words(paths: Iterable[str]) -> str:
    return " ".join(map(shlex.quote, paths))
