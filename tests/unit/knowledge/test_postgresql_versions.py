"""The policy table of PostgreSQL versions."""

from datetime import date

import pytest

from mattermost_host.knowledge import postgresql_versions as versions

TODAY = date(2026, 11, 21)


@pytest.mark.parametrize(
    ("release", "lowest"),
    [
        ("12.0.0", 14),
        ("11.7.9", 14),
        ("11.0.0", 14),
        ("10.12.4", 13),
        ("10.11.23", 13),
        ("10.6.0", 13),
        ("10.5.14", 11),
        ("9.11.1", 11),
        ("8.0.0", 11),
        ("7.8.15", 10),
        ("5.26.0", 10),
        ("5.25.0", 9),
    ],
)
def test_the_minimum_follows_the_policy_table(release: str, lowest: int) -> None:
    assert versions.minimum_for(release) == lowest


def test_a_version_below_the_minimum_is_refused_with_the_ways_out() -> None:
    assert versions.verdict(13, "11.7.9", TODAY) == (
        "PostgreSQL 13 is too old: Mattermost 11.7.9 needs 14 or newer. Install a newer one from "
        "the PostgreSQL project's repository (`postgres.pgdg`), set an external one "
        "(`postgres.dsn`), or take a newer release of the distribution."
    )


def test_a_version_past_its_end_is_warned_of() -> None:
    assert versions.too_old(14, "11.7.9") is None
    assert versions.verdict(14, "11.7.9", TODAY) == (
        "The PostgreSQL project ended its support for PostgreSQL 14 on 2026-11-12; only the "
        "distribution may still repair it, and the next extended support release of Mattermost "
        "will ask for a newer one. Plan the upgrade of the database."
    )
    assert versions.out_of_support(14, date(2026, 11, 12)) is None
    assert "long ago" in (versions.out_of_support(9, TODAY) or "")


@pytest.mark.parametrize("major", [15, 16, 17, 18, 19])
def test_a_current_or_future_version_is_fine(major: int) -> None:
    assert versions.verdict(major, "11.7.9", TODAY) is None


def test_the_project_version_that_we_install_is_supported() -> None:
    assert versions.verdict(versions.PGDG_DEFAULT, "11.7.9", TODAY) is None


def test_each_end_is_later_than_the_one_before() -> None:
    ends = [versions.END_OF_LIFE[major] for major in sorted(versions.END_OF_LIFE)]
    assert ends == sorted(ends)
