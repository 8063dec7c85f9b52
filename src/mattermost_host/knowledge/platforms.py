"""The systems that Mattermost is put on: which are supported, which are refused and why.

What is supported can be tested on real hosts or with the real parsers; the vendor's own list is
longer and older. Ends of support are those of the distributions' own pages.
"""

from dataclasses import dataclass
from datetime import date
from typing import Literal

from mattermost_host.knowledge.releases import minimum_glibc

Family = Literal["debian", "redhat"]

FAMILIES: dict[str, Family] = {
    "debian": "debian",
    "ubuntu": "debian",
    "rhel": "redhat",
    "almalinux": "redhat",
    "rocky": "redhat",
    "ol": "redhat",
}
"""``ID`` of os-release -> how packages, paths and the firewall are handled."""

NAMES = {
    "debian": "Debian",
    "ubuntu": "Ubuntu",
    "rhel": "Red Hat Enterprise Linux",
    "almalinux": "AlmaLinux",
    "rocky": "Rocky Linux",
    "ol": "Oracle Linux",
    "centos": "CentOS",
    "fedora": "Fedora",
    "arch": "Arch Linux",
}

WAY_OUT = (
    "Set up a host with Debian 13 or 12, Ubuntu 24.04 or 22.04, or Enterprise Linux 9 (RHEL, "
    "AlmaLinux, Rocky Linux, Oracle Linux) and deploy to that one"
)


@dataclass(frozen=True)
class Platform:
    """A supported release of a distribution."""

    end_of_life: date
    """Last day of free security updates, long-term support included."""
    glibc: tuple[int, int]
    brotli_module: str = ""
    """Package with NGINX's module that serves files compressed by brotli; not each has one."""


BROTLI = "libnginx-mod-http-brotli-static"

SUPPORTED = {
    ("debian", "11"): Platform(date(2026, 8, 31), (2, 31)),
    ("debian", "12"): Platform(date(2028, 6, 30), (2, 36), BROTLI),
    ("debian", "13"): Platform(date(2030, 6, 30), (2, 41), BROTLI),
    ("ubuntu", "22.04"): Platform(date(2027, 4, 30), (2, 35)),
    ("ubuntu", "24.04"): Platform(date(2029, 5, 31), (2, 39), BROTLI),
    ("rhel", "9"): Platform(date(2032, 5, 31), (2, 34)),
    ("almalinux", "9"): Platform(date(2032, 5, 31), (2, 34)),
    ("rocky", "9"): Platform(date(2032, 5, 31), (2, 34)),
    ("ol", "9"): Platform(date(2032, 6, 30), (2, 34)),
}

ENDED = {
    ("debian", "9"): date(2022, 6, 30),
    ("debian", "10"): date(2024, 6, 30),
    ("ubuntu", "16.04"): date(2021, 4, 30),
    ("ubuntu", "18.04"): date(2023, 5, 31),
    ("ubuntu", "20.04"): date(2025, 5, 31),
    ("centos", "6"): date(2020, 11, 30),
    ("centos", "7"): date(2024, 6, 30),
    ("centos", "8"): date(2021, 12, 31),
    ("rhel", "6"): date(2020, 11, 30),
    ("rhel", "7"): date(2024, 6, 30),
    ("ol", "6"): date(2021, 3, 31),
    ("ol", "7"): date(2024, 12, 31),
}
"""Releases that the vendor's documents still name, or that are met, and their last day."""

LAST_FOR_ENTERPRISE_LINUX_8 = "11.11"
"""Last release for Enterprise Linux 7 and 8; from 12.0 on the build needs a newer glibc."""

COMMUNITY_ONLY = ("fedora", "arch", "freebsd")
"""The vendor's documents name these without support in production."""


def family(distribution: str) -> Family | None:
    """``ubuntu`` -> ``debian``; None for a distribution that is not supported in any release."""
    return FAMILIES.get(distribution)


def refusal(distribution: str, release: str) -> str | None:
    """A sentence where this system is not supported; None where it is.

    ``distribution`` and ``release`` are ``ID`` and ``VERSION_ID`` of os-release.
    """
    key = _key(distribution, release)
    if key in SUPPORTED:
        return None
    name = f"{NAMES.get(distribution, distribution)} {release}".strip()
    return f"{name} is not supported: {_reason(*key)}. {WAY_OUT}."


def brotli_module(distribution: str, release: str) -> str | None:
    """The package with NGINX's module for brotli, where the distribution has one."""
    platform = SUPPORTED.get(_key(distribution, release))
    return platform.brotli_module or None if platform else None


def warning(distribution: str, release: str, today: date | None = None) -> str | None:
    """A sentence where a supported system gets no free security updates any more."""
    platform = SUPPORTED.get(_key(distribution, release))
    if platform is None or platform.end_of_life >= (today or date.today()):
        return None
    return (
        f"Free security updates for {NAMES[distribution]} {release} ended on "
        f"{platform.end_of_life}. {WAY_OUT}."
    )


def architecture_refusal(architecture: str) -> str | None:
    """A sentence where there is no server for this processor."""
    if architecture in ("amd64", "arm64"):
        return None
    return (
        f"The host's architecture is {architecture}, and the server exists for x86-64 (amd64) and "
        "arm64 only. Take such a host."
    )


def architecture_warning(architecture: str) -> str | None:
    """A sentence where the server exists, with less in it."""
    if architecture != "arm64":
        return None
    return (
        "The releases for arm64 come without the prepackaged plugins (Calls, Playbooks, Boards "
        "and others), and the vendor's requirements name x86-64 only: install the plugins that "
        "you need yourself, and count on the community for support."
    )


def glibc_verdict(glibc: str, release: str) -> str | None:
    """A sentence where the binary of ``release`` would not start with this glibc (``2.36``)."""
    lowest = minimum_glibc(release)
    if tuple(int(part) for part in glibc.split(".")[:2]) >= lowest:
        return None
    return (
        f"The host has glibc {glibc}, and Mattermost {release} needs {lowest[0]}.{lowest[1]} or "
        f"newer: the binary would not start. {WAY_OUT}, or choose another release."
    )


def _key(distribution: str, release: str) -> tuple[str, str]:
    """Enterprise Linux and Debian count by major version; Ubuntu's releases have two numbers."""
    return distribution, release if distribution == "ubuntu" else release.partition(".")[0]


def _reason(distribution: str, release: str) -> str:
    ended = ENDED.get((distribution, release))
    old_build = release in ("7", "8") and (distribution in FAMILIES or distribution == "centos")
    if ended is not None:
        last = f", and Mattermost {LAST_FOR_ENTERPRISE_LINUX_8} was the last for it"
        return f"its security updates ended on {ended}{last if old_build else ''}"
    if old_build:
        return f"Mattermost {LAST_FOR_ENTERPRISE_LINUX_8} was the last release for it"
    if distribution in COMMUNITY_ONLY:
        return "the vendor leaves it to the community, without support in production"
    if distribution in FAMILIES:
        return "this release of it has not been tried"
    return "this distribution has not been tried"
