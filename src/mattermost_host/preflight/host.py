"""Requirements of the host itself: system, size, disk, clock, locale.

Conflicts with other software are in ``conflicts.py``, requirements across hosts in ``together.py``.
"""

from collections.abc import Callable, Iterator

from mattermost_host.facts.host import HostFacts
from mattermost_host.knowledge import binaries, platforms, sizing
from mattermost_host.knowledge.sizing import Usage
from mattermost_host.preflight.finding import Finding, Requirement, Verdict
from mattermost_host.support.errors import OperatorError

VersionOn = Callable[[HostFacts], str]
"""Returns the release of the server that a host should run."""

LEFT_TO_RUN_MB = 2 * sizing.GIB_MB
"""Free disk for the next release and the server's work, on a host that already has a site."""

OPT_ALONE_MB = 3 * sizing.GIB_MB
"""Two releases are kept and the next one is unpacked, each less than 1 GB."""

TEMPORARY_MB = 50
"""For apt's keys and a component's files; package archives are elsewhere."""

OFFSET_WARNING_S = 2.0
OFFSET_ERROR_S = 30.0
"""One-time passwords (RFC 6238) change every 30 s."""

LOCALE = "en_US.UTF-8"


def unreadable(name: str, what: str, needed: str) -> Finding:
    """The finding if the host could not be asked, so that no check passes silently."""
    return Finding(
        name, "warning", f"{what} could not be read", needed, "Check it yourself on the host."
    )


def supported_platform() -> Requirement:
    """Distribution and release are supported."""

    def check(facts: HostFacts) -> Iterator[Finding]:
        yield _platform(facts)

    return Requirement(
        "supported-platform", check, "The distribution and its release are supported."
    )


def _platform(facts: HostFacts) -> Finding:
    system = f"{facts.distribution or 'an unknown system'} {facts.release}".strip()
    refusal = platforms.refusal(facts.distribution, facts.release)
    warning = platforms.warning(facts.distribution, facts.release)
    verdict: Verdict = "error" if refusal else "warning" if warning else "ok"
    return Finding(
        "supported-platform", verdict, system, "a supported system", refusal or warning or ""
    )


def unknown_system(facts: HostFacts) -> Finding | None:
    """The finding of ``supported_platform`` where nobody knows how to deploy to such a system."""
    row = platforms.find_nearest(facts.distribution, facts.release)
    return None if row else _platform(facts)


def architecture() -> Requirement:
    """There is a Mattermost for the host's processor architecture."""

    def check(facts: HostFacts) -> Iterator[Finding]:
        refusal = binaries.refusal(facts.architecture)
        warning = binaries.warning(facts.architecture)
        verdict: Verdict = "error" if refusal else "warning" if warning else "ok"
        yield Finding(
            "architecture", verdict, facts.architecture, "amd64 or arm64", refusal or warning or ""
        )

    return Requirement("architecture", check, "Mattermost runs on the host's processor.")


def glibc(version_on: VersionOn) -> Requirement:
    """The release's binary starts with the host's glibc."""

    def check(facts: HostFacts) -> Iterator[Finding]:
        version = version_on(facts)
        needed = f"a glibc that Mattermost {version} starts with"
        try:
            refusal = binaries.glibc_verdict(facts.glibc, version)
        except ValueError:
            yield unreadable("glibc", "the version of glibc", needed)
        else:
            verdict: Verdict = "error" if refusal else "ok"
            yield Finding("glibc", verdict, f"glibc {facts.glibc}", needed, refusal or "")

    return Requirement("glibc", check, "The server's binary starts with the host's C library.")


def capacity(users: int) -> Requirement:
    """Processors and memory for ``users`` accounts, with all roles on this host."""

    def check(facts: HostFacts) -> Iterator[Finding]:
        found = f"{facts.cpus} vCPU, {facts.memory_mb:,} MB"
        try:
            least = sizing.one_host(users)
        except OperatorError as error:
            yield Finding("capacity", "error", found, f"enough for {users:,} users", str(error))
            return
        needed = f"{least.cpus} vCPU, {least.memory_mb:,} MB for {users:,} users"
        if {"cpus", "memory"} & facts.unread:
            yield unreadable("capacity", "the host's size", needed)
            return
        missing: Verdict = "error" if _too_small(facts, min(users, sizing.LARGEST_TEAM)) else "ok"
        if missing == "ok" and _too_small(facts, users):
            missing = "warning"
        remedy = (
            ""
            if missing == "ok"
            else "Give the host more resources, or set a lower number of users."
        )
        yield Finding("capacity", missing, found, needed, remedy)

    return Requirement("capacity", check, "Processors and memory for `users` accounts.")


def _too_small(facts: HostFacts, users: int) -> bool:
    least = sizing.one_host(users)
    return facts.cpus < least.cpus or facts.memory_mb < least.memory_mb


def disk(users: int, usage: Usage) -> Requirement:
    """Free disk for what ``users`` share in a year; less for a site that is already running."""

    def check(facts: HostFacts) -> Iterator[Finding]:
        needed = sizing.storage(users, usage)
        if not facts.disks:
            yield unreadable("disk", "the free disk", f"{needed.least_mb:,} MB")
        elif facts.managed:
            yield from _disk_of_a_site(facts)
        else:
            yield from _disk_of_a_year(facts, needed, users)

    return Requirement("disk", check, "Free disk for a year of `users`, less on a running site.")


def _disk_of_a_site(facts: HostFacts) -> Iterator[Finding]:
    least = min((facts.disks[0], *facts.data_disks), key=lambda one: one.free_mb)
    enough = least.free_mb >= LEFT_TO_RUN_MB
    yield Finding(
        "disk",
        "ok" if enough else "error",
        f"{least.free_mb:,} MB free for {least.path}",
        f"{LEFT_TO_RUN_MB:,} MB on a host that is in use",
        "" if enough else "Enlarge the file system, or remove what is not needed.",
    )


def _disk_of_a_year(facts: HostFacts, needed: sizing.Storage, users: int) -> Iterator[Finding]:
    data = {one.file_system: one.free_mb for one in facts.data_disks}
    free = sum(data.values())
    places = " and ".join(one.path for one in facts.data_disks)
    verdict: Verdict = (
        "error" if free < needed.least_mb else "warning" if free < needed.most_mb else "ok"
    )
    yield Finding(
        "disk",
        verdict,
        f"{free:,} MB free for {places}",
        f"{needed.least_mb:,} to {needed.most_mb:,} MB for the first year of {users:,} users",
        "" if verdict == "ok" else "Enlarge the file system, or monitor it.",
    )
    opt = facts.disks[0]
    if opt.file_system not in data and opt.free_mb < OPT_ALONE_MB:
        yield Finding(
            "disk",
            "error",
            f"{opt.free_mb:,} MB free for {opt.path}",
            f"{OPT_ALONE_MB:,} MB for the releases",
            "Enlarge the file system.",
        )


def writable() -> Requirement:
    """The system's folders are writable, and there is room for temporary files."""

    def check(facts: HostFacts) -> Iterator[Finding]:
        needed = f"a writable system, {TEMPORARY_MB} MB in /tmp and /var/tmp"
        full = [
            f"{free} MB free in {path}" for path, free in facts.temporary if free < TEMPORARY_MB
        ]
        closed = ", ".join(facts.read_only)
        if closed:
            yield Finding(
                "writable",
                "error",
                f"{closed}: mounted read-only",
                needed,
                "Packages and files go there: remount it with rw, also in /etc/fstab. A system "
                "that can't be changed has to be changed in its image.",
            )
        if full:
            remedy = "Remove old files there, or enlarge the file system: packages unpack there."
            yield Finding("writable", "error", " and ".join(full), needed, remedy)
        elif {"read_only", "temporary"} & facts.unread:
            yield unreadable("writable", "which folders can be written", needed)
        elif not closed:
            yield Finding("writable", "ok", "yes", needed)

    return Requirement("writable", check, "Folders of the system can be written; /tmp has room.")


def executable_opt() -> Requirement:
    """Programs may run from /opt, the place of the server."""

    def check(facts: HostFacts) -> Iterator[Finding]:
        if "disks" in facts.unread:
            yield unreadable("opt-executable", "how /opt is mounted", "a mount without noexec")
            return
        yield Finding(
            "opt-executable",
            "error" if facts.opt_noexec else "ok",
            f"/opt is mounted {'with' if facts.opt_noexec else 'without'} noexec",
            "a mount without noexec, for the server and its plugins",
            "Take noexec out of its line in /etc/fstab and remount it." if facts.opt_noexec else "",
        )

    return Requirement(
        "opt-executable", check, "Programs may run from /opt, the place of the server."
    )


def clock() -> Requirement:
    """The clock is correct and synchronised."""

    def check(facts: HostFacts) -> Iterator[Finding]:
        offset = abs(facts.clock_offset_s)
        if offset >= OFFSET_WARNING_S:
            yield Finding(
                "clock",
                "error" if offset >= OFFSET_ERROR_S else "warning",
                f"{offset:,.0f} s {'ahead of' if facts.clock_offset_s > 0 else 'behind'} this "
                "machine's clock",
                f"less than {OFFSET_WARNING_S:.0f} s apart",
                "Correct the clock that is wrong: certificates, sessions and one-time passwords "
                "depend on it.",
            )
        elif facts.container:
            found = "a container: its clock is that of the machine it runs on"
            yield Finding("clock", "ok", found)
        elif "clock" in facts.unread:
            yield unreadable("clock", "whether the clock is synchronised", "a synchronised clock")
        else:
            yield _synchronised(facts.clock_synchronised)

    return Requirement("clock", check, "The clock is correct and synchronised.")


def _synchronised(right: bool) -> Finding:
    if right:
        return Finding("clock", "ok", "synchronised", "synchronised")
    return Finding(
        "clock",
        "warning",
        "correct, but not synchronised with a time server",
        "synchronised",
        "A time daemon is set up where there is none; let the host reach a time server "
        "(UDP port 123).",
    )


def locale() -> Requirement:
    """The database's locale; it is generated where missing."""

    def check(facts: HostFacts) -> Iterator[Finding]:
        there = any(one.lower().replace("-", "") == "en_us.utf8" for one in facts.locales)
        found = LOCALE if there else f"{LOCALE} not yet; it will be generated"
        if "locales" in facts.unread:
            yield unreadable("locale", "the list of locales", LOCALE)
        else:
            yield Finding("locale", "ok", found, LOCALE)

    return Requirement("locale", check, "The database's locale; it is generated where missing.")
