"""The questions of ``host.sh`` and the parsing of their answers; independent of pyinfra."""

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from ipaddress import ip_address
from typing import Any

from mattermost_host.engine.batch import Answers, Question
from mattermost_host.facts import backups, dnf_modules
from mattermost_host.facts.host import (
    ARCHITECTURES,
    CANDIDATES,
    DISK_PATHS,
    PACKAGES,
    TEMPORARY,
    UNITS,
    Disk,
    HostFacts,
    Listener,
    is_global,
    sshd_port,
)

SCRIPT = files(__package__).joinpath("host.sh").read_text(encoding="utf-8")
UNREADABLE = "?"
FIRST, LAST = "clock_first", "clock_last"
"""The host's clock, read before and after all other questions."""
Fields = dict[str, Any]

NOWHERE: Mapping[str, Any] = {
    "distribution": "",
    "release": "",
    "architecture": "",
    "glibc": "",
    "cpus": 0,
    "memory_mb": 0,
    "opt_noexec": False,
}
"""Values of the fields without a default, for a host that could not answer."""


@dataclass(frozen=True)
class AskHost(Question[Fields | None]):
    """The fields of HostFacts that ``name`` fills; None if the host can't answer."""

    name: str
    """A function of ``host.sh``."""
    site: str
    """The name in the site's URL."""
    backup: str = ""
    """Where its backups go; empty if it has none."""

    @property
    def functions(self) -> str:
        parameters = {
            "SITE": self.site,
            "BACKUP": self.backup,
            "DISKS": " ".join(DISK_PATHS),
            "PACKAGES": " ".join(PACKAGES),
            "CANDIDATES": " ".join(CANDIDATES),
            "UNITS": " ".join(f"{unit}.service" for unit in UNITS),
        }
        head = "\n".join(f"{name}={shlex.quote(value)}" for name, value in parameters.items())
        return f"{head}\n{SCRIPT}"

    @property
    def subject(self) -> str:
        return self.name.replace("_", " ")

    def script(self) -> str:
        return self.name

    def parse(self, lines: list[str]) -> Fields | None:
        filled = [line.strip() for line in lines if line.strip()]
        try:
            return None if UNREADABLE in filled else QUESTIONS[self.name](filled)
        except (LookupError, ValueError):
            return None


def about(site: str, backup: str = "") -> tuple[AskHost, ...]:
    """All questions about a host; ``site`` is the name in the site's URL."""
    return tuple(AskHost(name, site, backup) for name in QUESTIONS)


def fields(answers: Answers) -> Fields:
    """The fields of HostFacts that the answers fill, and ``unread``.

    A question without an answer was not asked, or ran into its time limit.
    """
    found: Fields = {}
    unread = set()
    for question in _asked(answers):
        answer = answers[question]
        found |= answer or {}
        unread |= {question.name} if answer is None else set()
    if "ssh_port" not in found and "listeners" in found:
        found["ssh_port"] = sshd_port(found["listeners"])
    return {**found, "unread": frozenset(unread)}


def facts_of(answers: Answers, sent: float, received: float) -> HostFacts:
    """The facts from the answers to ``about``.

    ``sent`` and ``received`` are this machine's clock around the round trip, seconds since the
    epoch.
    """
    found = fields(answers)
    unread = found.pop("unread") | (QUESTIONS.keys() - {one.name for one in _asked(answers)})
    if {FIRST, LAST} & unread:
        unread |= {"clock"}
    first, last = found.pop(FIRST, sent), found.pop(LAST, received)
    # The time of the round trip does not count as an offset of the clock.
    offset = min(max(0.0, last - received), first - sent)
    unread -= {FIRST, LAST}
    return HostFacts(**{**NOWHERE, **found, "clock_offset_s": offset, "unread": unread})


def _asked(answers: Answers) -> list[AskHost]:
    return [question for question in answers if isinstance(question, AskHost)]


def _system(lines: list[str]) -> Fields:
    values = dict(line.split("=", 1) for line in lines if "=" in line and line[0] != "#")
    distribution, release = (
        "".join(shlex.split(values.get(key, ""), comments=True)) for key in ("ID", "VERSION_ID")
    )
    return {"distribution": distribution, "release": release}


def _architecture(lines: list[str]) -> Fields:
    return {"architecture": ARCHITECTURES.get(lines[0], lines[0])}


def _glibc(lines: list[str]) -> Fields:
    """The version is the last word of getconf's ``glibc 2.36``, or of the first line of ldd."""
    return {"glibc": lines[0].split()[-1]}


def _memory(lines: list[str]) -> Fields:
    limits = [int(float(line)) for line in lines if line != "max"]
    return {"memory_mb": min(limits) // 2**20}


def _disks(lines: list[str]) -> Fields:
    rows = [line.split() for line in lines]
    disks = [
        Disk(path, device if "/" in device else mount, int(free) // 1024, int(size) // 1024)
        for path, device, size, free, mount, _ in rows
    ]
    noexec = "noexec" in rows[0][5].split(",")
    return {"disks": tuple(disks), "opt_noexec": noexec}


def _mounts(lines: list[str]) -> Fields:
    rows = [line.split(maxsplit=2) for line in lines]
    return {
        "mounts": tuple((place, device) for kind, place, device in rows if kind == "mounted"),
        "unmounted": tuple(place for kind, place, _ in rows if kind == "missing"),
    }


def _listeners(lines: list[str]) -> Fields:
    rows = [line.split(maxsplit=3) for line in lines]
    oldest: dict[str, tuple[int, str]] = {}
    for row in rows:
        if row[0] == "holder":
            inode, holder = row[1], (int(row[2]), row[3] if len(row) == 4 else "")
            oldest[inode] = min(holder, oldest.get(inode, holder))
    found = {
        Listener(
            protocol=file.removesuffix("6"),
            address=_address(socket.partition(":")[0]),
            port=int(socket.partition(":")[2], 16),
            process=oldest.get(inode, (0, ""))[1],
        )
        for file, socket, inode in (row for row in rows if row[0] != "holder")
    }
    return {"listeners": tuple(sorted(found, key=lambda one: (one.port, one.protocol, str(one))))}


def _address(hexadecimal: str) -> str:
    """/proc/net prints 32-bit words in the processor's byte order (little-endian here)."""
    words = [bytes.fromhex(hexadecimal[at : at + 8]) for at in range(0, len(hexadecimal), 8)]
    return str(ip_address(b"".join(word[::-1] for word in words)))


def _addresses(lines: list[str]) -> Fields:
    return {"addresses": tuple(sorted(filter(is_global, lines)))}


def _clusters(lines: list[str]) -> Fields:
    rows = [line.split() for line in lines]
    return {"clusters": tuple((version, name, int(port)) for version, name, port in rows)}


def _database(lines: list[str]) -> Fields:
    rows = [line.partition(" ")[::2] for line in lines]
    units = dict.fromkeys(value for key, value in rows if key == "unit")
    links = tuple(value.partition(" ")[::2] for key, value in rows if key == "link")
    journal = tuple((key, value) for key, value in rows if key not in ("unit", "link"))
    return {"database_units": tuple(units), "database_links": links, "database_move": journal}


def _selinux(lines: list[str]) -> Fields:
    said = {"1": "enforcing", "0": "permissive"}.get(first := "".join(lines), first.lower())
    return {"selinux": said or "disabled"}


def _resolved(lines: list[str]) -> Fields:
    """getent repeats each address for each socket type."""
    return {"resolved": tuple(sorted({line.split()[0] for line in lines}))}


def _packages(lines: list[str]) -> Fields:
    rows = (line.split() for line in lines)
    return {"packages": tuple((row[0], row[1]) for row in rows if row[2:] == ["installed"])}


def _sudo_rules(lines: list[str]) -> Fields:
    rows = (line.rpartition(":") for line in lines)
    return {"sudo_rules": tuple((file, account.strip()) for file, _, account in rows)}


def _temporary(lines: list[str]) -> Fields:
    free = [int(line.split()[3]) // 1024 for line in lines[1:]]
    return {"temporary": tuple(zip(TEMPORARY, free, strict=True))}


def _pairs(name: str) -> Callable[[list[str]], Fields]:
    return lambda lines: {name: tuple((line.split()[0], line.split()[1]) for line in lines)}


def _words(name: str) -> Callable[[list[str]], Fields]:
    return lambda lines: {name: tuple(lines)}


QUESTIONS: Mapping[str, Callable[[list[str]], Fields]] = {
    FIRST: lambda lines: {FIRST: float(lines[0])},
    "system": _system,
    "architecture": _architecture,
    "kernel": lambda lines: {"kernel": lines[0]},
    "glibc": _glibc,
    "cpus": lambda lines: {"cpus": int(lines[0])},
    "memory": _memory,
    "disks": _disks,
    "mounts": _mounts,
    "listeners": _listeners,
    "addresses": _addresses,
    "ipv6": lambda lines: {"has_ipv6": bool(lines)},
    "resolved": _resolved,
    "packages": _packages,
    "candidates": _pairs("candidates"),
    "clusters": _clusters,
    "database": _database,
    "units": _words("active_units"),
    "clock": lambda lines: {"clock_synchronised": lines == ["yes"]},
    "locales": _words("locales"),
    "releases": _words("releases"),
    "current_release": lambda lines: {"current_release": "".join(lines)},
    "noted_release": lambda lines: {"noted_release": "".join(lines)},
    "last_upgrade": _pairs("last_upgrade"),
    "foreign": _pairs("foreign"),
    "system_upgrade": _pairs("system_upgrade"),
    "restore": _pairs("restore"),
    "lego": lambda lines: {"lego": "".join(lines)},
    "patroni": lambda lines: {"patroni": "".join(lines)},
    "cluster_data": _words("cluster_data"),
    "container": lambda lines: {"container": lines not in ([], ["none"])},
    "ssh_port": lambda lines: {"ssh_port": int(lines[0])} if lines else {},
    "managed": lambda lines: {"managed": bool(lines)},
    "forwarding": _words("forwarding"),
    "read_only": _words("read_only"),
    "temporary": _temporary,
    "selinux": _selinux,
    "first_boot": lambda lines: {"first_boot": bool(lines)},
    "backup_key": lambda lines: {"backup_key": lines[0].split()[0] if lines else ""},
    "backups": lambda lines: {"backups": backups.parsed(lines)},
    "snaps": _words("snaps"),
    "nftables": _words("nftables"),
    "legacy_rules": _words("legacy_rules"),
    "odd_files": _words("odd_files"),
    "generated": _pairs("generated"),
    "modules": lambda lines: {"modules": tuple(sorted(dnf_modules.fixed(lines)))},
    "repositories": _words("repositories"),
    "registered": lambda lines: {"registered": bool(lines)},
    "fips": lambda lines: {"fips": lines == ["1"]},
    "crypto_policy": lambda lines: {"crypto_policy": "".join(lines)},
    "allowed_programs": lambda lines: {"allowed_programs": bool(lines)},
    "sudo_rules": _sudo_rules,
    LAST: lambda lines: {LAST: float(lines[0])},
}
"""Each function of ``host.sh`` that is a question -> the parser of its lines."""
