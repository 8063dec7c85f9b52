"""Distributions and their releases: which are supported, which are refused and why.

One row for each release; what releases have in common is in ``families.py``. Supported is what can
be tested on real hosts or with the real parsers. Ends of support: the distributions' own pages.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Literal

from mattermost_host.knowledge.families import DEBIAN, ENTERPRISE_LINUX, Family
from mattermost_host.knowledge.repositories import ORACLE, REBUILDS, RED_HAT, Repositories
from mattermost_host.support.errors import OperatorError

State = Literal["supported", "ended", "too old", "community"]
"""``too old``: Mattermost's current releases don't start there. ``community``: the vendor lists it,
without support in production.
"""

BROTLI = "libnginx-mod-http-brotli-static"
LAST_FOR_EL_8 = "11.11"
"""Last release for Enterprise Linux 7 and 8; from 12.0 on the build needs a newer glibc."""


@dataclass(frozen=True)
class Platform:
    """A release of a distribution; empty fields and None are not needed there."""

    distribution: str
    """``ID`` of os-release."""
    release: str
    """``VERSION_ID`` of os-release, for Ubuntu all of it, else its first number; empty: any."""
    name: str
    """The usual name of the distribution."""
    state: State
    last_day: date | None = None
    """The last day of free security updates, including long-term support."""
    family: Family | None = None
    glibc: tuple[int, int] | None = None
    postgresql: int | None = None
    """PostgreSQL's major version that is installed from the distribution's own repository."""
    postgresql_streams: tuple[int, ...] = ()
    """PostgreSQL's major versions that module streams offer; empty: there is only one."""
    nginx: str = ""
    """Version in the distribution's repository, for hosts that never fetched package lists."""
    nginx_stream: str = ""
    """The module stream that NGINX comes from."""
    code_name: str = ""
    """The release's name in the PostgreSQL project's repository."""
    brotli_module: str = ""
    """Package with NGINX's module for files compressed by brotli; empty if there is none."""
    repositories: Repositories | None = None
    """The repositories of dnf; None if there is no dnf."""
    last_mattermost: str = ""
    """The last release line of Mattermost that starts there; empty: the newest does."""

    @property
    def postgresql_versions(self) -> tuple[int, ...]:
        """PostgreSQL's major versions in the distribution's own repositories."""
        only = (self.postgresql,) if self.postgresql else ()
        return self.postgresql_streams or only


def _enterprise_linux_9(
    distribution: str, name: str, last_day: date, repositories: Repositories = REBUILDS
) -> Platform:
    """A row for RHEL or a rebuild, whose packages and module streams are the same."""
    return Platform(
        distribution,
        "9",
        name,
        "supported",
        last_day,
        ENTERPRISE_LINUX,
        (2, 34),
        16,
        postgresql_streams=(15, 16),
        nginx="1.24.0",
        nginx_stream="1.24",
        repositories=repositories,
    )


PLATFORMS = (
    Platform(
        "debian",
        "13",
        "Debian",
        "supported",
        date(2030, 6, 30),
        DEBIAN,
        (2, 41),
        17,
        nginx="1.26.3",
        code_name="trixie",
        brotli_module=BROTLI,
    ),
    Platform(
        "debian",
        "12",
        "Debian",
        "supported",
        date(2028, 6, 30),
        DEBIAN,
        (2, 36),
        15,
        nginx="1.22.1",
        code_name="bookworm",
        brotli_module=BROTLI,
    ),
    Platform(
        "debian",
        "11",
        "Debian",
        "supported",
        date(2026, 8, 31),
        DEBIAN,
        (2, 31),
        13,
        nginx="1.18.0",
        code_name="bullseye",
    ),
    Platform(
        "ubuntu",
        "24.04",
        "Ubuntu",
        "supported",
        date(2029, 5, 31),
        DEBIAN,
        (2, 39),
        16,
        nginx="1.24.0",
        code_name="noble",
        brotli_module=BROTLI,
    ),
    Platform(
        "ubuntu",
        "22.04",
        "Ubuntu",
        "supported",
        date(2027, 4, 30),
        DEBIAN,
        (2, 35),
        14,
        nginx="1.18.0",
        code_name="jammy",
    ),
    _enterprise_linux_9("rhel", "Red Hat Enterprise Linux", date(2032, 5, 31), RED_HAT),
    _enterprise_linux_9("almalinux", "AlmaLinux", date(2032, 5, 31)),
    _enterprise_linux_9("rocky", "Rocky Linux", date(2032, 5, 31)),
    _enterprise_linux_9("ol", "Oracle Linux", date(2032, 6, 30), ORACLE),
    Platform("rhel", "8", "Red Hat Enterprise Linux", "too old", last_mattermost=LAST_FOR_EL_8),
    Platform("almalinux", "8", "AlmaLinux", "too old", last_mattermost=LAST_FOR_EL_8),
    Platform("rocky", "8", "Rocky Linux", "too old", last_mattermost=LAST_FOR_EL_8),
    Platform("ol", "8", "Oracle Linux", "too old", last_mattermost=LAST_FOR_EL_8),
    Platform("debian", "10", "Debian", "ended", date(2024, 6, 30)),
    Platform("debian", "9", "Debian", "ended", date(2022, 6, 30)),
    Platform("ubuntu", "20.04", "Ubuntu", "ended", date(2025, 5, 31)),
    Platform("ubuntu", "18.04", "Ubuntu", "ended", date(2023, 5, 31)),
    Platform("ubuntu", "16.04", "Ubuntu", "ended", date(2021, 4, 30)),
    Platform("centos", "8", "CentOS", "ended", date(2021, 12, 31), last_mattermost=LAST_FOR_EL_8),
    Platform("centos", "7", "CentOS", "ended", date(2024, 6, 30), last_mattermost=LAST_FOR_EL_8),
    Platform("centos", "6", "CentOS", "ended", date(2020, 11, 30)),
    Platform(
        "rhel",
        "7",
        "Red Hat Enterprise Linux",
        "ended",
        date(2024, 6, 30),
        last_mattermost=LAST_FOR_EL_8,
    ),
    Platform("rhel", "6", "Red Hat Enterprise Linux", "ended", date(2020, 11, 30)),
    Platform("ol", "7", "Oracle Linux", "ended", date(2024, 12, 31), last_mattermost=LAST_FOR_EL_8),
    Platform("ol", "6", "Oracle Linux", "ended", date(2021, 3, 31)),
    Platform("fedora", "", "Fedora", "community"),
    Platform("arch", "", "Arch Linux", "community"),
    Platform("freebsd", "", "FreeBSD", "community"),
)


def find(distribution: str, release: str) -> Platform | None:
    """The row for ``ID`` and ``VERSION_ID`` of os-release; None if there is none."""
    short = release if distribution == "ubuntu" else release.partition(".")[0]
    rows = (one for one in PLATFORMS if one.distribution == distribution)
    return next((one for one in rows if one.release in ("", short)), None)


def nearest(distribution: str, release: str) -> Platform:
    """The row of a system, else that of the newest supported release of its distribution.

    The latter serves for an unknown release for which the check was skipped. Raises OperatorError,
    with the check's sentence, if there is no such row.
    """
    if found := find_nearest(distribution, release):
        return found
    raise OperatorError(refusal(distribution, release) or "")


def find_nearest(distribution: str, release: str) -> Platform | None:
    """The same row; None where there is none."""
    found = find(distribution, release) or _handled_as(distribution, release)
    return found if found and found.family else None


def name_of(distribution: str) -> str:
    """``rhel`` -> Red Hat Enterprise Linux; an unknown ``ID`` is returned as it is."""
    names = (one.name for one in PLATFORMS if one.distribution == distribution)
    return next(names, distribution)


def way_out(today: date | None = None) -> str:
    """Which systems to use instead, as the beginning of a sentence."""
    return f"Set up a host with {' or '.join(_good(today or date.today()))} and deploy to that one"


def _good(today: date) -> Iterator[str]:
    good = [
        (_sold_as(one), one.release)
        for one in PLATFORMS
        if one.state == "supported" and one.last_day and one.last_day >= today
    ]
    for name in dict.fromkeys(name for name, _ in good):
        releases = dict.fromkeys(release for known, release in good if known == name)
        yield f"{name} {' or '.join(releases)}"


def _sold_as(one: Platform) -> str:
    """The name for a list of choices, in which RHEL and its rebuilds are one."""
    return ENTERPRISE_LINUX.name if one.family is ENTERPRISE_LINUX else one.name


def refusal(distribution: str, release: str) -> str | None:
    """A sentence if this system is not supported; None if it is."""
    found = find(distribution, release)
    if found and found.state == "supported":
        return None
    name = f"{name_of(distribution)} {release}".strip() or "This system"
    if found is None and (like := _handled_as(distribution, release)):
        return (
            f"{name} is not known yet: it has not been tried. {way_out()}. To try it anyway, "
            'write skip = {"supported-platform": "your reason"}: it is then handled as '
            f"{like.name} {like.release}."
        )
    return f"{name} is not supported: {_reason(found, distribution, release)}. {way_out()}."


def _handled_as(distribution: str, release: str) -> Platform | None:
    """The supported release that a newer one, which is not in the table, is taken for."""
    newest = _newest(distribution)
    return newest if newest and _numbers(release) > _numbers(newest.release) else None


def _newest(distribution: str) -> Platform | None:
    """The newest supported release; the rows of a distribution begin with it."""
    rows = (one for one in PLATFORMS if one.distribution == distribution and one.family)
    return next(rows, None)


def _numbers(release: str) -> tuple[int, ...]:
    """``24.04`` as (24, 4); nothing where it has other parts, such as ``sid``."""
    parts = release.split(".")
    return tuple(map(int, parts)) if all(map(str.isdecimal, parts)) else ()


def _unknown(distribution: str, release: str) -> str:
    """Why a release that is not in the table is refused."""
    if not distribution:
        return "its /etc/os-release does not say what it is"
    if name_of(distribution) == distribution:
        return "this distribution has not been tried"
    if not release:
        return "its /etc/os-release names no release, as on testing and rolling ones"
    older = _newest(distribution) and _numbers(release)
    return "its security updates have ended" if older else "this release of it has not been tried"


def _reason(found: Platform | None, distribution: str, release: str) -> str:
    if found is None:
        return _unknown(distribution, release)
    if found.state == "community":
        return "the vendor leaves it to the community, without support in production"
    if found.state == "too old":
        return f"Mattermost {found.last_mattermost} was the last release for it"
    last = f", and Mattermost {found.last_mattermost} was the last for it"
    ended = f"its security updates ended on {found.last_day}"
    return f"{ended}{last if found.last_mattermost else ''}"


def warning(distribution: str, release: str, today: date | None = None) -> str | None:
    """A sentence if a supported system no longer gets free security updates."""
    found = find(distribution, release)
    if not found or found.state != "supported" or not found.last_day:
        return None
    if found.last_day >= (today or date.today()):
        return None
    return (
        f"Free security updates for {found.name} {release} ended on {found.last_day}. "
        f"{way_out(today)}."
    )
