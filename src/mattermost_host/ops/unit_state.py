"""The state of a unit by systemd and the kernel, and the files its process has not read."""

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from mattermost_host.engine.batch import Question
from mattermost_host.engine.explanations import Change, Effect
from mattermost_host.ops import process_limits, unit_files, what_was_read
from mattermost_host.ops.what_was_read import words

PROPERTIES = (
    "Names,ActiveState,UnitFileState,LoadState,NeedDaemonReload,DropInPaths,MainPID,"
    + process_limits.PROPERTIES
)
SUSPENDED = (
    'line=; read -r line <"/proc/${process:-0}/stat"; line=${line##*) };'
    ' [ "${line%% *}" != T ] || echo Suspended=yes'
)
"""Shell command that reports if ``$process`` was stopped by a signal."""
DELETED = """left=$units; programs=
while case $left in *MainPID=*) ;; *) false ;; esac; do
  left=${left#*MainPID=}; programs="$programs /proc/${left%%[!0-9]*}/exe"
done
find $programs -maxdepth 0 -lname '* (deleted)' -printf 'Deleted=%p|%l\\n'"""
"""Shell commands that report each process of ``$units`` whose program was deleted."""
HEADING = "Unit"
"""Key of the line that begins the answer about one unit; lines before the first are about all."""


@dataclass(frozen=True)
class UnitState:
    """The state of a unit, and which of its files it has not read yet."""

    active: bool = False
    enabled: bool = False
    masked: bool = False
    needs_daemon_reload: bool = False
    unit_files_alike: bool = False
    """Whether the unit files that systemd has not read have the same content as at the start."""
    to_restart: tuple[str, ...] = ()
    to_reload: tuple[str, ...] = ()
    overriding: tuple[str, ...] = ()
    """Unit files and drop-ins of others that override the described ones."""
    masks: tuple[str, ...] = ()
    """Masks: links to /dev/null in place of the unit file."""
    dangling: tuple[str, ...] = ()
    """Links that make it require a unit that is missing or masked, so that it can't be started."""
    lowered: tuple[str, ...] = ()
    """What the process can't do although its unit's limits allow it."""
    suspended: bool = False
    """Whether a signal stopped the process, which systemd still calls active."""
    silent: bool = False
    """Whether it is active but does not answer; from another question."""
    unread_drop_ins: tuple[str, ...] = ()
    """Drop-ins that systemd has not read."""
    noted: Mapping[str, str] | None = field(default=None, compare=False)
    """Path -> content of its files at the start; None if that was not noted."""
    foreseen: Effect | None = None
    """In a plan: the effect of files that this run would write; see ``foresight``."""


@dataclass(frozen=True)
class AskUnit(Question[UnitState]):
    """The state of ``unit`` against the files it reads."""

    about = "the unit {unit}"

    unit: str
    restart_on: tuple[str, ...] = ()
    reload_on: tuple[str, ...] = ()

    @classmethod
    def joined(cls, questions: Sequence["AskUnit"]) -> "AskUnits":
        """One question for all units: systemctl takes longer than everything else."""
        return AskUnits(tuple(questions))

    def part(self, answer: "dict[AskUnit, UnitState]") -> UnitState:
        """Our unit."""
        return answer[self]

    def script(self) -> str:
        return AskUnits((self,)).script()

    def own(self) -> str:
        """The part of the script about this unit alone; ``$unit`` is what systemctl says of it."""
        lines = [
            "process=${unit##*MainPID=}; process=${process%%[!0-9]*}",
            SUSPENDED,
            process_limits.SCRIPT,
            unit_files.without_package(self.unit),
            unit_files.dangling(self.unit),
            what_was_read.script(self.unit, self.restart_on, self.reload_on),
        ]
        return "\n".join(lines)

    def _is_ours(self, path: str) -> bool:
        return any(path == one or path.startswith(f"{one}/") for one in self.restart_on)

    def parse(self, lines: list[str]) -> UnitState:
        values: dict[str, list[str]] = {}
        for line in lines:
            key, _, value = line.partition("=")
            values.setdefault(key, []).append(value)
        first = {key: items[0] for key, items in values.items()}
        # NeedDaemonReload does not cover drop-in folders that were created after the last reload.
        known = first.get("DropInPaths", "").split()
        found = unit_files.overriding(self.unit, values.get("Overriding", ()), known)
        drop_ins = [path for path in found if path.endswith(".conf")]
        # For a masked unit systemd reads neither drop-ins nor limits, and NeedDaemonReload stays
        # set while there are drop-ins.
        masked = first.get("LoadState") == "masked"
        unread = tuple(path for path in drop_ins if path not in known)
        foreign = {
            path: to
            for path, to in found.items()
            # Not generators' drop-ins, which come back after a removal: a preflight check reports
            # them.
            if not (self._is_ours(path) or (path in known and unit_files.is_generated(path)))
        }
        to_restart = (*_deleted(values), *what_was_read.unread(values))
        noted = what_was_read.noted(values)
        return UnitState(
            active=first.get("ActiveState") in {"active", "reloading"},
            enabled=first.get("UnitFileState") in {"enabled", "static", "indirect", "generated"},
            masked=masked,
            needs_daemon_reload=not masked
            and bool(unread or first.get("NeedDaemonReload") == "yes"),
            unit_files_alike="Now" in values and are_unit_files_alike(noted, to_restart, unread),
            to_restart=to_restart,
            to_reload=tuple(values.get("Reload", ())),
            overriding=tuple(path for path, to in foreign.items() if to != unit_files.MASK),
            masks=tuple(path for path, to in foreign.items() if to == unit_files.MASK),
            dangling=tuple(values.get("Dangling", ())),
            lowered=() if masked else process_limits.lowered(values),
            suspended="Suspended" in values,
            unread_drop_ins=unread,
            noted=noted,
        )


@dataclass(frozen=True)
class AskUnits(Question[dict[AskUnit, UnitState]]):
    """The state of each unit."""

    about = "units"

    units: tuple[AskUnit, ...]

    def script(self) -> str:
        names = [one.unit for one in self.units]
        places = dict.fromkeys(path for name in names for path in unit_files.places(name))
        lines = [
            f"units=$(systemctl show -p {PROPERTIES} {' '.join(names)})",
            f"find {words(places)} -maxdepth 1 ! -type d -printf 'Overriding=%p|%l\\n'",
            DELETED,
        ]
        for one in self.units:
            # systemctl puts an empty line between two units.
            lines += [
                "unit=${units%%\n\n*}; units=${units#*\n\n}",
                f'echo "{HEADING}={one.unit}"; echo "$unit"',
                one.own(),
            ]
        return "\n".join(lines)

    def parse(self, lines: list[str]) -> dict[AskUnit, UnitState]:
        starts = [at for at, line in enumerate(lines) if line.startswith(f"{HEADING}=")]
        sections = [lines[at:end] for at, end in zip(starts, [*starts[1:], None], strict=True)]
        of_all = lines[: starts[0]]
        return {
            one: one.parse([*of_all, *_checked(one.unit, section)])
            for one, section in zip(self.units, sections, strict=True)
        }


def _checked(unit: str, section: list[str]) -> list[str]:
    """``section``; ValueError if systemctl says it of another unit, so each is asked by itself."""
    names = (line.removeprefix("Names=") for line in section if line.startswith("Names="))
    if unit not in next(names, "").split():
        raise ValueError(f"no answer about {unit}")
    return section


def _deleted(values: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """The program of the unit's process, if it was deleted."""
    own = f"/proc/{next(iter(values.get('MainPID', ())), '')}/exe"
    for line in values.get("Deleted", ()):
        link, _, program = line.partition("|")
        if link == own:
            yield program.removesuffix(" (deleted)")


def flaws(unit: str, now: UnitState) -> Iterator[Change]:
    """What is wrong with a unit's files, for a unit whose restart interrupts nobody."""
    if others := (*now.masks, *now.overriding):
        yield Change(unit, f"is overridden by {', '.join(others)}", severity="critical")
    yield from unmet(unit, now)
    if now.needs_daemon_reload:
        yield Change(unit, "has unit files that systemd has not read")


def unmet(unit: str, now: UnitState) -> Iterator[Change]:
    """What keeps a unit from being started again."""
    for link in now.dangling:
        found = f"can't be started again: {link} requires a unit that is missing or masked"
        yield Change(unit, found, severity="critical")


def as_described(
    unit: str, now: UnitState, *, reload: bool = False, before_reload: Iterable[str] = ()
) -> Iterator[str]:
    """Shell commands that make a unit match its described files and start at boot."""
    if now.masked:
        yield f"systemctl unmask -q {unit}"
    if removed := (*now.masks, *now.overriding, *now.dangling):
        yield f"rm -f -- {words(removed)}"
    if reload or removed or now.needs_daemon_reload:
        yield from before_reload
        yield "systemctl daemon-reload"
    if not now.enabled:
        yield enabled(unit)


def enabled(unit: str) -> str:
    """Shell after which a unit starts at boot; says what to do where its package lost its file."""
    lost = (
        f"{unit} has no unit file on the host, though its package is installed. Put the files of "
        "the package back (dnf reinstall, or apt-get install --reinstall), and run again."
    )
    told = f"systemctl cat {unit} >/dev/null 2>&1 || echo {shlex.quote(lost)} >&2"
    return f"systemctl enable -q {unit} || {{ {told}; exit 1; }}"


def are_unit_files_alike(
    noted: Mapping[str, str] | None, stale: Iterable[str], unread: Iterable[str]
) -> bool:
    """Whether the process was started with the unit files' current content.

    ``stale``: paths with another content than at its start; ``unread``: drop-ins that systemd has
    not read. A drop-in in ``noted`` existed at the start; systemd has forgotten it since.
    """
    if noted is None:
        return False
    of_unit = any(path.startswith(unit_files.FOLDERS) for path in stale)
    return not of_unit and all(path in noted for path in unread)
