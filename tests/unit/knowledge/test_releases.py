"""The table of releases and what is derived from it."""

import re
from datetime import date

import pytest

from mattermost_host.knowledge import releases, upgrade_paths

TODAY = date(2026, 11, 21)


def test_the_default_is_the_newest_extended_support_release_with_a_digest() -> None:
    assert releases.default(TODAY) == "11.7.9"


def test_a_known_digest_is_given_and_an_unknown_one_is_not_invented() -> None:
    known = releases.sha256("11.7.9", "enterprise", "amd64")
    assert known == "a22e631ae4a1f704c2bcf45ad8dcc377184081c50954a9269b7f62bd663a7a04"
    assert releases.sha256("11.7.9", "team", "amd64") is None
    assert releases.sha256("11.7.9", "enterprise", "arm64") is None


def test_every_digest_is_one_and_belongs_to_a_line_of_the_table() -> None:
    for (version, _, _), digest in releases.DIGESTS.items():
        assert re.fullmatch(r"[0-9a-f]{64}", digest)
        assert releases.support(version) is not None


def test_a_missing_digest_is_asked_for_with_the_place_where_it_is_published() -> None:
    assert releases.digest_wanted("11.6.6", "team", "amd64") == (
        "The SHA-256 of mattermost-team-11.6.6-linux-amd64.tar.gz is not in the table of releases. "
        "Take it from https://docs.mattermost.com/product-overview/version-archive.html and set "
        "it as `mattermost.release.sha256`."
    )
    other = releases.digest_wanted("11.6.6", "enterprise", "amd64")
    assert other.endswith(", or deploy 11.7.9, the newest extended support release in the table.")


def test_for_arm64_it_says_how_to_come_by_the_digest_that_nobody_publishes() -> None:
    assert releases.digest_wanted("11.7.9", "enterprise", "arm64") == (
        "The SHA-256 of mattermost-11.7.9-linux-arm64.tar.gz is not in the table of releases, and "
        "the vendor's list (https://docs.mattermost.com/product-overview/version-archive.html) has "
        "none for arm64. Fetch "
        "https://releases.mattermost.com/11.7.9/mattermost-11.7.9-linux-arm64.tar.gz, check it "
        "with its signature, which is at the same address with .sig, and the vendor's key "
        "(https://deb.packages.mattermost.com/pubkey.gpg), and set what `sha256sum` says of it as "
        "`mattermost.release.sha256`, beside `mattermost.release.version` = '11.7.9'."
    )


@pytest.mark.parametrize(
    ("edition", "name"),
    [
        ("enterprise", "mattermost-11.7.9-linux-arm64.tar.gz"),
        ("team", "mattermost-team-11.7.9-linux-arm64.tar.gz"),
    ],
)
def test_a_mirror_holds_the_vendors_files_by_their_names(
    edition: releases.Edition, name: str
) -> None:
    official = releases.official_url("11.7.9", edition, "arm64")
    assert official == f"https://releases.mattermost.com/11.7.9/{name}"
    mirrored = releases.mirror_url("https://mirror.example/mattermost/", "11.7.9", edition, "arm64")
    assert mirrored == f"https://mirror.example/mattermost/{name}"


def test_lines_are_listed_newest_first_and_end_after_they_began() -> None:
    names = [releases.numbers(line.name) for line in releases.LINES]
    assert names == sorted(names, reverse=True)
    for line in releases.LINES:
        assert line.released is None or line.released < line.end_of_life
        assert line.newest is None or releases.line(line.newest) == line.name


@pytest.mark.parametrize(
    ("version", "when"),
    [
        ("11.10.0", "on 2026-11-15"),
        ("10.11.23", "on 2026-08-15"),
        ("10.3.1", "before that of newer ones in the table of releases"),
        ("5.37.10", "before that of newer ones in the table of releases"),
    ],
)
def test_a_release_past_its_support_gets_a_sentence(version: str, when: str) -> None:
    assert releases.end_of_life(version, TODAY) == (
        f"The vendor's support for Mattermost {releases.line(version)} ended {when}: it gets no "
        "security repairs. Deploy 11.7.9 or newer."
    )


@pytest.mark.parametrize("version", ["11.7.9", "11.11.0", "12.0.0"])
def test_a_supported_or_newer_release_gets_none(version: str) -> None:
    assert releases.end_of_life(version, TODAY) is None


def test_support_lasts_to_the_end_of_its_last_day() -> None:
    assert releases.end_of_life("11.7.9", date(2027, 5, 15)) is None
    assert releases.end_of_life("11.7.9", date(2027, 5, 16)) is not None


@pytest.mark.parametrize(
    ("installed", "target", "bad"),
    [
        ("10.11.17", "11.7.2", True),
        ("10.11.23", "11.0.0", True),
        ("10.11.17", "11.7.3", False),
        ("10.11.16", "11.7.2", False),
        ("10.11.17", "10.11.23", False),
        ("11.7.0", "11.7.2", False),
    ],
)
def test_the_upgrade_that_breaks_the_database_is_known(
    installed: str, target: str, bad: bool
) -> None:
    sentence = upgrade_paths.refusal(installed, target)
    assert (sentence is not None) is bad
    if sentence:
        assert "upgrade to 11.7.3 or newer" in sentence


@pytest.mark.parametrize(
    ("version", "lowest"),
    [
        ("12.0.0", (2, 34)),
        ("11.7.9", (2, 17)),
        ("10.10.2", (2, 32)),
        ("9.2.0", (2, 34)),
        ("9.1.0", (2, 17)),
    ],
)
def test_the_lowest_glibc(version: str, lowest: tuple[int, int]) -> None:
    assert releases.minimum_glibc(version) == lowest
