"""What ``host.sh`` asks and how its answers are read; needs nothing but the standard library."""

import shlex
from collections.abc import Callable, Iterable, Mapping
from importlib.resources import files
from ipaddress import ip_address
from typing import Any

from mattermost_host.engine.parallel_shell import ENDS_WELL, side_by_side
from mattermost_host.facts.host import (
    ARCHITECTURES,
    CANDIDATES,
    DISK_PATHS,
    PACKAGES,
    UNITS,
    Disk,
    Listener,
    is_global,
    sshd_port,
)

SCRIPT = files(__package__).joinpath("host.sh").read_text(encoding="utf-8")
MARKER = "=mattermost-host="
CLOCK = "date +%s.%N"
UNREADABLE = "?"
Fields = dict[str, Any]


def script(questions: Iterable[str], site: str) -> str:
    """The shell script that asks ``questions``."""
    units = " ".join(f"{unit}.service" for unit in UNITS)
    parameters = {
        "SITE": site,
        "DISKS": " ".join(DISK_PATHS),
        "PACKAGES": " ".join(PACKAGES),
        "CANDIDATES": " ".join(CANDIDATES),
        "UNITS": units,
    }
    head = "\n".join(f"{name}={shlex.quote(value)}" for name, value in parameters.items())
    asked = side_by_side([f"echo '{MARKER} {question}'; {question}" for question in questions])
    end = f"echo '{MARKER} end'; {CLOCK}"
    return f"{ENDS_WELL}\n{head}\n{SCRIPT}\n{CLOCK}\n{asked} 2>/dev/null\n{end}"


def answers(output: Iterable[str]) -> dict[str, list[str]]:
    """The printed lines by question; ``begin`` and ``end`` hold the host's clock."""
    sections: dict[str, list[str]] = {"begin": []}
    current = sections["begin"]
    for line in output:
        if line.startswith(MARKER):
            current = sections.setdefault(line.removeprefix(MARKER).strip(), [])
        elif line.strip():
            current.append(line.strip())
    return sections


def fields(questions: Iterable[str], sections: Mapping[str, list[str]]) -> Fields:
    """The fields of HostFacts that ``questions`` fill, and ``unread``."""
    found: Fields = {}
    unread = set()
    for question in questions:
        lines = sections.get(question, [UNREADABLE])
        try:
            found |= {} if UNREADABLE in lines else QUESTIONS[question](lines)
        except (LookupError, ValueError):
            lines = [UNREADABLE]
        if UNREADABLE in lines:
            unread.add(question)
    if "ssh_port" not in found and "listeners" in found:
        found["ssh_port"] = sshd_port(found["listeners"])
    return {**found, "unread": frozenset(unread)}


def _system(lines: list[str]) -> Fields:
    values = dict(line.split("=", 1) for line in lines if "=" in line and line[0] != "#")
    distribution, release = (
        "".join(shlex.split(values.get(key, ""))) for key in ("ID", "VERSION_ID")
    )
    return {"distribution": distribution, "release": release}


def _architecture(lines: list[str]) -> Fields:
    return {"architecture": ARCHITECTURES.get(lines[0], lines[0])}


def _glibc(lines: list[str]) -> Fields:
    """``glibc 2.36`` of getconf, or the first line of ldd, whose last word is the version."""
    return {"glibc": lines[0].split()[-1]}


def _memory(lines: list[str]) -> Fields:
    limits = [int(float(line)) for line in lines if line != "max"]
    return {"memory_mb": min(limits) // 2**20}


def _disks(lines: list[str]) -> Fields:
    rows = [line.split() for line in lines]
    disks = [
        Disk(path, device if "/" in device else mount, int(free) // 1024)
        for path, device, free, mount, _ in rows
    ]
    noexec = "noexec" in rows[0][4].split(",")
    return {"disks": tuple(disks), "free_disk_mb": disks[0].free_mb, "opt_noexec": noexec}


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
    """The kernel prints each 32-bit word in the order of the processor, here the lowest first."""
    words = [bytes.fromhex(hexadecimal[at : at + 8]) for at in range(0, len(hexadecimal), 8)]
    return str(ip_address(b"".join(word[::-1] for word in words)))


def _addresses(lines: list[str]) -> Fields:
    return {"addresses": tuple(sorted(filter(is_global, lines)))}


def _clusters(lines: list[str]) -> Fields:
    rows = [line.split() for line in lines]
    return {"clusters": tuple((version, name, int(port)) for version, name, port in rows)}


def _selinux(lines: list[str]) -> Fields:
    return {"selinux": {"1": "enforcing", "0": "permissive"}.get("".join(lines), "disabled")}


def _pairs(name: str) -> Callable[[list[str]], Fields]:
    return lambda lines: {name: tuple((line.split()[0], line.split()[1]) for line in lines)}


def _words(name: str) -> Callable[[list[str]], Fields]:
    return lambda lines: {name: tuple(lines)}


QUESTIONS: Mapping[str, Callable[[list[str]], Fields]] = {
    "system": _system,
    "architecture": _architecture,
    "kernel": lambda lines: {"kernel": lines[0]},
    "glibc": _glibc,
    "cpus": lambda lines: {"cpus": int(lines[0])},
    "memory": _memory,
    "disks": _disks,
    "listeners": _listeners,
    "addresses": _addresses,
    "ipv6": lambda lines: {"has_ipv6": bool(lines)},
    "resolved": _words("resolved"),
    "packages": _pairs("packages"),
    "candidates": _pairs("candidates"),
    "clusters": _clusters,
    "units": _words("active_units"),
    "clock": lambda lines: {"clock_synchronised": lines == ["yes"]},
    "locales": _words("locales"),
    "releases": _words("releases"),
    "current_release": lambda lines: {"current_release": "".join(lines)},
    "noted_release": lambda lines: {"noted_release": "".join(lines)},
    "container": lambda lines: {"container": lines not in ([], ["none"])},
    "ssh_port": lambda lines: {"ssh_port": int(lines[0])} if lines else {},
    "managed": lambda lines: {"managed": bool(lines)},
    "selinux": _selinux,
}
"""Each function of ``host.sh`` that is a question -> how its lines are read."""
