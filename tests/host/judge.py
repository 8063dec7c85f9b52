"""Checks of a host's answers; each yields a sentence for every failure."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from ipaddress import ip_address

import pytest

from mattermost_host.components.firewall import RULES
from mattermost_host.facts.host import HostFacts, Listener
from mattermost_host.knowledge.surface import Port, SecretFile, Unit
from mattermost_host.ops.account import Found, Wanted
from mattermost_host.ops.entries import State
from mattermost_host.ops.probe import PATIENCE_S
from mattermost_host.ops.release_state import CURRENT
from mattermost_host.ops.release_state import Found as FoundRelease
from mattermost_host.ops.unit_state import UnitState
from tests.host.questions import DYNAMIC, KernelRules, Process, UnitStatus
from tests.host.questions_release import RunningBinary

Sentences = Iterator[str]

ENABLED = {"enabled", "enabled-runtime", "static", "indirect", "generated", "alias"}
ACTIVE = {"active", "reloading"}

MOST_CLOCK_OFFSET_S = 5.0
"""Seconds between the two clocks, including half a slow connection's round trip."""

SHOWN = 3
"""Most differences of a table, and most files of a process, that are printed."""


def holds(sentences: Iterable[str]) -> None:
    """Fail the test with these sentences, if there are any."""
    found = list(sentences)
    if found:
        pytest.fail("\n".join(found), pytrace=False)


def differs(what: str, expected: object, found: object) -> str:
    """The text of a failure."""
    return f"{what}: expected {expected}, found {found}"


def units(declared: Iterable[Unit], status: Mapping[str, UnitStatus]) -> Sentences:
    """Each unit exists, is enabled and active, and systemd has read its current file."""
    for unit in declared:
        now = status.get(unit.name, UnitStatus())
        if now.load != "loaded":
            found = "none of that name" if now.load == "not-found" else f"it {now.load}"
            yield differs(unit.name, "a unit", found)
            continue
        if now.active not in ACTIVE:
            yield differs(unit.name, "it active", now.active)
        if now.enabled not in ENABLED:
            yield differs(unit.name, "it enabled at boot", now.enabled or "no word of it")
        if now.needs_daemon_reload:
            yield differs(unit.name, "its file as systemd read it", "the file changed since")


def answering(declared: Iterable[Unit], answered: Collection[str]) -> Sentences:
    """Each unit that can be asked answers."""
    for unit in declared:
        if unit.probe and unit.name not in answered:
            yield differs(unit.name, "an answer", f"none within {PATIENCE_S} s")


def users(
    declared: Iterable[Unit],
    status: Mapping[str, UnitStatus],
    processes: Mapping[int, Process],
) -> Sentences:
    """Each unit's main process runs as its user; without a process, the unit file counts."""
    for unit in declared:
        now = status.get(unit.name, UnitStatus())
        process = processes.get(now.main_pid)
        found = process.user if process and process.user not in DYNAMIC else now.user
        if now.active not in ACTIVE:
            yield differs(f"user of {unit.name}", unit.user, "it not running")
        elif found != unit.user:
            yield differs(f"user of {unit.name}", unit.user, found)


def exposures(declared: Iterable[Unit], found: Mapping[str, float]) -> Sentences:
    """``systemd-analyze security`` of each sandboxed unit stays within its bound."""
    for unit in declared:
        exposure = found.get(unit.name)
        if unit.max_exposure is not None and (exposure is None or exposure > unit.max_exposure):
            shown = "no figure" if exposure is None else exposure
            yield differs(f"exposure of {unit.name}", f"at most {unit.max_exposure}", shown)


def secret_files(declared: Iterable[SecretFile], found: Mapping[str, State]) -> Sentences:
    """Each secret file exists with its owner and group, and is closed to others."""
    for file in declared:
        state = found.get(file.path)
        expected = f"{file.owner}:{file.group} {file.mode}"
        if state is None:
            yield differs(file.path, f"a file of {expected}", "nothing there")
        elif not state.kind.startswith("regular"):
            yield differs(file.path, f"a file of {expected}", f"a {state.kind}")
        elif (state.user, state.group) != (file.owner, file.group) or _wider(state.mode, file.mode):
            yield differs(file.path, expected, f"{state.user}:{state.group} {state.mode}")


def _wider(found: str, declared: str) -> bool:
    """Whether a mode gives anybody more than the declared one."""
    return bool(int(found, 8) & ~int(declared, 8))


def folders(expected: Mapping[str, tuple[str, str, str]], found: Mapping[str, State]) -> Sentences:
    """Each folder has its owner, group and mode."""
    for path, (owner, group, mode) in expected.items():
        state = found.get(path)
        if state is None or state.kind != "directory":
            yield differs(path, "a folder", state.kind if state else "nothing there")
        elif (state.user, state.group, state.mode) != (owner, group, mode):
            shown = f"{state.user}:{state.group} {state.mode}"
            yield differs(path, f"{owner}:{group} {mode}", shown)


def no_public_keys(paths: Iterable[str]) -> Sentences:
    """No private key is readable by everybody."""
    for path in paths:
        yield differs(path, "a private key for its owner only", "readable by everybody")


def listening(declared: Iterable[Port], found: Iterable[Listener]) -> Sentences:
    """Each declared port is served by its process, on the right addresses."""
    listeners = list(found)
    for port in declared:
        what = f"port {port.number}/{port.protocol} ({port.purpose})"
        here = [
            one for one in listeners if (one.protocol, one.port) == (port.protocol, port.number)
        ]
        if not here:
            yield differs(what, f"{port.process or 'a process'} listening", "nobody")
        for one in here:
            # A socket unit's port is held by systemd until the first connection.
            if port.process and one.process not in {port.process, "systemd"}:
                yield differs(what, f"the process {port.process}", one.process or "an unknown one")
            if port.reachable_from == "loopback" and not _loopback(one.address):
                yield differs(what, "it on loopback only", f"it on {one.address}")
        if here and port.reachable_from != "loopback" and all(_loopback(o.address) for o in here):
            yield differs(what, "it reachable from outside", "it on loopback only")


def nothing_else_listens(declared: Iterable[Port], found: Iterable[Listener]) -> Sentences:
    """No socket listens besides the declared ports and the system's own services."""
    known = {(port.protocol, port.number) for port in declared}
    for one in found:
        if (one.protocol, one.port) not in known and not is_of_the_system(one):
            yield differs(
                f"port {one.port}/{one.protocol} on {one.address}",
                "nobody listening",
                one.process or "an unknown process",
            )


DHCP_CLIENTS = {"systemd-network", "dhclient", "dhcpcd", "NetworkManager"}
RESOLVER = "systemd-resolve"
MAILERS = {"master", "exim4", "sendmail", "sendmail-mta", "smtpd", "dma"}
TIME_CLIENTS = {"chronyd": 323, "ntpd": 123}


def is_of_the_system(one: Listener) -> bool:
    """Whether it belongs to the system: administration, addresses, names, time, local mail."""
    udp, loopback = one.protocol == "udp", _loopback(one.address)
    if one.process == "sshd":
        return not udp
    if one.process == RESOLVER:
        return loopback or one.port in {5353, 5355}
    if one.process in DHCP_CLIENTS:
        return udp and one.port in {68, 546}
    if one.process in TIME_CLIENTS:
        return udp and one.port == TIME_CLIENTS[one.process]
    return one.process in MAILERS and loopback and one.port == 25


def _loopback(address: str) -> bool:
    return ip_address(address.partition("%")[0]).is_loopback


def firewall(enabled: bool, wanted: Iterable[str], rules: KernelRules) -> Sentences:
    """The file opens the declared ports, and the kernel's rules are those of the file."""
    what = "firewall table of the site"
    if not enabled:
        if rules.listed:
            yield differs(what, "none, it is switched off", "one in the kernel")
        return
    if not rules.listed:
        yield differs(what, "it in the kernel", "none")
        return
    opened = {rule for rule in rules.file if " sport " not in f" {rule} "}
    declared = set(wanted)
    for rule in sorted(declared - opened):
        yield differs(RULES, f"the rule '{rule}'", "it missing")
    for rule in sorted(opened - declared):
        yield differs(RULES, "only the ports of the site open", f"also '{rule}'")
    if rules.file_newer:
        yield differs(RULES, "it loaded", "it changed since it was loaded")
    if rules.differences:
        shown = "; ".join(rules.differences[:SHOWN])
        yield differs(what, "it in the kernel as it was loaded (<)", f"it changed (>): {shown}")


def kernel(wanted: Mapping[str, str], found: Mapping[str, str]) -> Sentences:
    """Each kernel parameter that can be set on this host has its value."""
    for name, value in wanted.items():
        if name in found and found[name] != value:
            yield differs(f"kernel parameter {name}", value, found[name])


def clock(facts: HostFacts) -> Sentences:
    """The clock is synchronised (in a container by its machine) and agrees with ours."""
    if not facts.container and not facts.clock_synchronised:
        yield differs("clock", "it synchronised", "it running free")
    if abs(facts.clock_offset_s) > MOST_CLOCK_OFFSET_S:
        shown = f"{facts.clock_offset_s:+.1f} s"
        yield differs("clock against this machine's", f"within {MOST_CLOCK_OFFSET_S:g} s", shown)


def current_files(unit: str, state: UnitState) -> Sentences:
    """The process was started after the last change of each file that it reads."""
    if not state.active:
        yield differs(unit, "it running its current files", "it not running")
    if state.suspended:
        yield differs(unit, "it at work", "its process stopped by a signal")
    for less in state.lowered:
        yield differs(unit, "the limits of its unit", f"that it {less}")
    yield from own_unit_files(unit, state)
    for path in state.to_restart[:SHOWN]:
        yield differs(unit, "it running its current files", f"{path} newer than its last start")
    if (more := len(state.to_restart) - SHOWN) > 0:
        yield differs(unit, "it running its current files", f"{more} more that are newer")
    for path in state.to_reload:
        yield differs(unit, "it running its current files", f"{path} newer than its last reload")


def own_unit_files(unit: str, state: UnitState) -> Sentences:
    """Nothing overrides the described unit files."""
    for path in (*state.masks, *state.overriding):
        yield differs(unit, "its own unit files only", f"also {path}")
    for link in state.dangling:
        yield differs(unit, "each unit that it requires", f"one missing or masked, by {link}")


def account(wanted: Wanted, found: Found | None) -> Sentences:
    """The account exists, is for its service only, and has no administrator's groups."""
    what = f"the account {wanted.user}"
    if found is None:
        yield differs(what, "it there", "none of that name")
        return
    for flaw in wanted.flaws(found):
        yield differs(what, "it locked, for its service alone", f"that it {flaw}")


def binary(found: RunningBinary, releases: str) -> Sentences:
    """The running server is the one that ``current`` links to.

    A server that is a script runs in its interpreter's binary, outside of the release; for that one
    ``current_files`` compares the process's age with the link's.
    """
    if not found.release.startswith(f"{releases}/"):
        yield differs("the link current", f"a release below {releases}", found.release or "none")
    if not found.executable:
        yield differs("the server", "it running", "no process")
    elif found.executable.startswith(f"{releases}/") and not found.executable.startswith(
        f"{found.release}/"
    ):
        yield differs("the server", f"a binary below {found.release}", found.executable)


def release(found: FoundRelease) -> Sentences:
    """`current` links to the release that was switched to, whose files are unchanged."""
    if found.current is None:
        yield differs(CURRENT, "a link to a release", found.in_the_way or "nothing")
        return
    if found.current != f"releases/{found.noted}":
        noted = f"the link to releases/{found.noted or '…'}, as noted at the switch"
        yield differs(CURRENT, noted, found.current)
    if not found.tarball:
        yield differs(
            found.current,
            "a manifest of its files",
            f"one {found.mistrusted}" if found.mistrusted else "none",
        )
    for flaw in found.flaws:
        yield differs(f"{found.current}/{flaw.path.removeprefix('./')}", "as unpacked", flaw.found)


def open_files(name: str, processes: Iterable[Process], at_least: int) -> Sentences:
    """Each process may open that many files."""
    found = list(processes)
    if not found:
        yield differs(name, "it running", "no process")
    for one in found:
        if one.open_files < at_least:
            what = f"limit of open files of {name} (process {one.pid})"
            yield differs(what, f"at least {at_least:,}", f"{one.open_files:,}")
