"""The table of supported systems."""

from datetime import date

import pytest

from mattermost_host.knowledge import binaries, platforms
from mattermost_host.support.errors import OperatorError

TODAY = date(2026, 11, 21)
WAY_OUT = f"{platforms.way_out()}."
SUPPORTED = [one for one in platforms.PLATFORMS if one.state == "supported"]


@pytest.mark.parametrize(
    ("distribution", "release"),
    [
        ("debian", "12"),
        ("debian", "13"),
        ("ubuntu", "22.04"),
        ("ubuntu", "24.04"),
        ("rhel", "9.6"),
        ("almalinux", "9.6"),
        ("rocky", "9.4"),
        ("ol", "9.5"),
    ],
)
def test_the_supported_systems(distribution: str, release: str) -> None:
    assert platforms.refusal(distribution, release) is None
    assert platforms.warning(distribution, release, TODAY) is None


def test_debian_11_is_let_through_with_a_warning() -> None:
    assert platforms.refusal("debian", "11") is None
    assert platforms.warning("debian", "11", TODAY) == (
        "Free security updates for Debian 11 ended on 2026-08-31. Set up a host with Debian 13 or "
        "12 or Ubuntu 24.04 or 22.04 or Enterprise Linux 9 and deploy to that one."
    )


def test_the_way_out_names_no_system_whose_updates_have_ended() -> None:
    assert "Ubuntu 24.04 or Enterprise Linux 9 and deploy" in platforms.way_out(date(2028, 1, 1))


@pytest.mark.parametrize(
    ("distribution", "release", "sentence"),
    [
        (
            "debian",
            "10",
            "Debian 10 is not supported: its security updates ended on 2024-06-30.",
        ),
        (
            "ubuntu",
            "18.04",
            "Ubuntu 18.04 is not supported: its security updates ended on 2023-05-31.",
        ),
        (
            "centos",
            "6",
            "CentOS 6 is not supported: its security updates ended on 2020-11-30.",
        ),
        (
            "centos",
            "7",
            "CentOS 7 is not supported: its security updates ended on 2024-06-30, and Mattermost "
            "11.11 was the last for it.",
        ),
        (
            "rhel",
            "7.9",
            "Red Hat Enterprise Linux 7.9 is not supported: its security updates ended on "
            "2024-06-30, and Mattermost 11.11 was the last for it.",
        ),
        (
            "rhel",
            "8.10",
            "Red Hat Enterprise Linux 8.10 is not supported: Mattermost 11.11 was the last release "
            "for it.",
        ),
        (
            "ubuntu",
            "20.04",
            "Ubuntu 20.04 is not supported: its security updates ended on 2025-05-31.",
        ),
        (
            "centos",
            "8",
            "CentOS 8 is not supported: its security updates ended on 2021-12-31, and Mattermost "
            "11.11 was the last for it.",
        ),
        (
            "rhel",
            "6.10",
            "Red Hat Enterprise Linux 6.10 is not supported: its security updates ended on "
            "2020-11-30.",
        ),
        (
            "almalinux",
            "8.10",
            "AlmaLinux 8.10 is not supported: Mattermost 11.11 was the last release for it.",
        ),
        (
            "ol",
            "6.10",
            "Oracle Linux 6.10 is not supported: its security updates ended on 2021-03-31.",
        ),
        (
            "ol",
            "7.9",
            "Oracle Linux 7.9 is not supported: its security updates ended on 2024-12-31, and "
            "Mattermost 11.11 was the last for it.",
        ),
        (
            "arch",
            "",
            "Arch Linux is not supported: the vendor leaves it to the community, without support "
            "in production.",
        ),
        (
            "freebsd",
            "14.2",
            "FreeBSD 14.2 is not supported: the vendor leaves it to the community, without support "
            "in production.",
        ),
        (
            "fedora",
            "43",
            "Fedora 43 is not supported: the vendor leaves it to the community, without support in "
            "production.",
        ),
        (
            "alpine",
            "3.22",
            "alpine 3.22 is not supported: this distribution has not been tried.",
        ),
        (
            "debian",
            "",
            "Debian is not supported: its /etc/os-release names no release, as on testing and "
            "rolling ones.",
        ),
        ("debian", "sid", "Debian sid is not supported: this release of it has not been tried."),
        ("debian", "8", "Debian 8 is not supported: its security updates have ended."),
        ("ubuntu", "23.10", "Ubuntu 23.10 is not supported: its security updates have ended."),
        ("ubuntu", "14.04", "Ubuntu 14.04 is not supported: its security updates have ended."),
        (
            "rhel",
            "5.11",
            "Red Hat Enterprise Linux 5.11 is not supported: its security updates have ended.",
        ),
        ("centos", "9", "CentOS 9 is not supported: this release of it has not been tried."),
        ("amzn", "2023", "amzn 2023 is not supported: this distribution has not been tried."),
        ("linuxmint", "22", "linuxmint 22 is not supported: this distribution has not been tried."),
        ("kali", "2026.3", "kali 2026.3 is not supported: this distribution has not been tried."),
        (
            "opensuse-leap",
            "15.6",
            "opensuse-leap 15.6 is not supported: this distribution has not been tried.",
        ),
        ("", "", "This system is not supported: its /etc/os-release does not say what it is."),
        ("", "9", "9 is not supported: its /etc/os-release does not say what it is."),
    ],
)
def test_everything_else_is_refused_with_the_reason(
    distribution: str, release: str, sentence: str
) -> None:
    assert platforms.refusal(distribution, release) == f"{sentence} {WAY_OUT}"


@pytest.mark.parametrize(
    ("distribution", "release", "like"),
    [
        ("ubuntu", "26.04", "Ubuntu 26.04 is not known yet:Ubuntu 24.04"),
        ("ubuntu", "25.10", "Ubuntu 25.10 is not known yet:Ubuntu 24.04"),
        ("debian", "14", "Debian 14 is not known yet:Debian 13"),
        (
            "rhel",
            "10.1",
            "Red Hat Enterprise Linux 10.1 is not known yet:Red Hat Enterprise Linux 9",
        ),
        ("almalinux", "10.0", "AlmaLinux 10.0 is not known yet:AlmaLinux 9"),
        ("rocky", "10", "Rocky Linux 10 is not known yet:Rocky Linux 9"),
        ("ol", "10", "Oracle Linux 10 is not known yet:Oracle Linux 9"),
    ],
)
def test_a_release_that_is_not_known_yet_is_refused_with_the_way_to_try_it(
    distribution: str, release: str, like: str
) -> None:
    begins, taken_for = like.split(":")
    refusal = platforms.refusal(distribution, release) or ""
    assert refusal.startswith(f"{begins}: it has not been tried. {WAY_OUT}")
    assert 'skip = {"supported-platform": "your reason"}' in refusal
    assert refusal.endswith(f"handled as {taken_for}.")


@pytest.mark.parametrize("platform", SUPPORTED, ids=lambda one: f"{one.name} {one.release}")
def test_of_a_supported_system_everything_is_known(platform: platforms.Platform) -> None:
    assert platform.glibc
    assert binaries.glibc_verdict(".".join(map(str, platform.glibc)), "11.7.9") is None
    assert platform.family and platform.last_day and platform.postgresql
    assert platform.nginx and (platform.code_name or platform.nginx_stream)


def test_each_system_has_one_row() -> None:
    keys = [(one.distribution, one.release) for one in platforms.PLATFORMS]
    assert len(keys) == len(set(keys))
    names = {(one.distribution, one.name) for one in platforms.PLATFORMS}
    assert len(names) == len({distribution for distribution, _ in names})


def test_every_sentence_has_its_words() -> None:
    for one in platforms.PLATFORMS:
        if one.state == "ended":
            assert one.last_day, one
        if one.state == "too old":
            assert one.last_mattermost, one


@pytest.mark.parametrize(
    ("distribution", "release", "has"),
    [
        ("debian", "12", True),
        ("debian", "13", True),
        ("debian", "11", False),
        ("ubuntu", "22.04", False),
        ("rocky", "9.4", False),
        ("arch", "", False),
    ],
)
def test_where_nginx_can_serve_brotli(distribution: str, release: str, has: bool) -> None:
    platform = platforms.find(distribution, release)
    assert platform and bool(platform.brotli_module) is has


@pytest.mark.parametrize(
    ("distribution", "release", "major"),
    [
        ("debian", "11", 13),
        ("debian", "12", 15),
        ("debian", "13", 17),
        ("ubuntu", "22.04", 14),
        ("ubuntu", "24.04", 16),
        ("rhel", "9.4", 16),
        ("almalinux", "9.6", 16),
        ("rocky", "9", 16),
        ("ol", "9.5", 16),
    ],
)
def test_what_a_distribution_ships(distribution: str, release: str, major: int) -> None:
    assert platforms.nearest(distribution, release).postgresql == major


@pytest.mark.parametrize(
    ("distribution", "release", "nearest"),
    [("ubuntu", "26.04", "24.04"), ("rhel", "10.1", "9"), ("debian", "14", "13")],
)
def test_a_release_that_is_not_known_yet_is_taken_as_the_newest_known_one(
    distribution: str, release: str, nearest: str
) -> None:
    assert platforms.nearest(distribution, release).release == nearest


@pytest.mark.parametrize(("distribution", "release"), [("debian", "10"), ("rhel", "8"), ("", "")])
def test_nobody_knows_how_to_deploy_there(distribution: str, release: str) -> None:
    with pytest.raises(OperatorError, match="is not supported"):
        platforms.nearest(distribution, release)
