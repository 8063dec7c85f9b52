"""The table of supported systems."""

from datetime import date

import pytest

from mattermost_host.knowledge import platforms
from mattermost_host.knowledge.postgresql_versions import SHIPPED

TODAY = date(2026, 11, 21)
WAY_OUT = (
    "Set up a host with Debian 13 or 12, Ubuntu 24.04 or 22.04, or Enterprise Linux 9 (RHEL, "
    "AlmaLinux, Rocky Linux, Oracle Linux) and deploy to that one."
)


@pytest.mark.parametrize(
    ("distribution", "release"),
    [
        ("debian", "12"),
        ("debian", "13"),
        ("ubuntu", "22.04"),
        ("ubuntu", "24.04"),
        ("rhel", "9.4"),
        ("almalinux", "9.6"),
        ("rocky", "9.5"),
        ("ol", "9"),
    ],
)
def test_the_supported_systems(distribution: str, release: str) -> None:
    assert platforms.refusal(distribution, release) is None
    assert platforms.warning(distribution, release, TODAY) is None


def test_debian_11_is_let_through_with_a_warning() -> None:
    assert platforms.refusal("debian", "11") is None
    assert platforms.warning("debian", "11", TODAY) == (
        f"Free security updates for Debian 11 ended on 2026-08-31. {WAY_OUT}"
    )


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
            "25.10",
            "Ubuntu 25.10 is not supported: this release of it has not been tried.",
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
        ("debian", "", "Debian is not supported: this release of it has not been tried."),
    ],
)
def test_everything_else_is_refused_with_the_reason(
    distribution: str, release: str, sentence: str
) -> None:
    assert platforms.refusal(distribution, release) == f"{sentence} {WAY_OUT}"


def test_families() -> None:
    assert platforms.family("ubuntu") == "debian"
    assert platforms.family("ol") == "redhat"
    assert platforms.family("alpine") is None


def test_architectures() -> None:
    assert platforms.architecture_refusal("amd64") is None
    assert platforms.architecture_warning("amd64") is None
    assert platforms.architecture_refusal("arm64") is None
    assert "without the prepackaged plugins" in (platforms.architecture_warning("arm64") or "")
    assert platforms.architecture_refusal("riscv64") == (
        "The host's architecture is riscv64, and the server exists for x86-64 (amd64) and arm64 "
        "only. Take such a host."
    )


def test_a_glibc_that_is_too_old() -> None:
    assert platforms.glibc_verdict("2.31", "12.0.0") == (
        "The host has glibc 2.31, and Mattermost 12.0.0 needs 2.34 or newer: the binary would not "
        f"start. {WAY_OUT[:-1]}, or choose another release."
    )
    assert platforms.glibc_verdict("2.34", "12.0.0") is None


@pytest.mark.parametrize("platform", platforms.SUPPORTED.values())
def test_every_supported_system_starts_the_default_line(platform: platforms.Platform) -> None:
    assert platforms.glibc_verdict(".".join(map(str, platform.glibc)), "11.7.9") is None


def test_every_supported_system_has_a_family_a_name_and_a_known_postgresql() -> None:
    for distribution, release in platforms.SUPPORTED:
        assert platforms.family(distribution)
        assert distribution in platforms.NAMES
        assert (distribution, release) in SHIPPED


def test_no_system_is_both_supported_and_ended() -> None:
    assert not set(platforms.SUPPORTED) & set(platforms.ENDED)


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
    assert (platforms.brotli_module(distribution, release) is not None) is has
