"""What a host's release means for it: each check, and what it says."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from mattermost_host.facts.host import HostFacts
from mattermost_host.knowledge import releases
from mattermost_host.preflight import release
from mattermost_host.preflight.finding import Finding
from mattermost_host.releases.choice import ReleaseSettings
from tests.unit.examples import ABOUT, DEBIAN_12, place

TODAY = date(2026, 9, 1)


def host(version: str = "", **changed: Any) -> HostFacts:
    """A host that runs ``version``, of a tarball that nobody knows any more."""
    if not version:
        return replace(DEBIAN_12, **changed)
    folder = f"{version}-0123abcd"
    there = {"releases": (folder,), "current_release": f"releases/{folder}"}
    return replace(DEBIAN_12, **{**there, **changed})


def findings(facts: HostFacts, **said: Any) -> dict[str, Finding]:
    needed = release.of(ReleaseSettings(**said), TODAY)
    return {finding.name: finding for one in needed for finding in one.check(facts)}


def verdicts(facts: HostFacts, **said: Any) -> dict[str, str]:
    return {
        name: one.verdict for name, one in findings(facts, **said).items() if one.verdict != "ok"
    }


def test_a_first_deploy_takes_the_default_and_says_which() -> None:
    found = findings(host())["release"]
    assert found.verdict == "note"
    assert found.found == (
        f"Mattermost {releases.default()}, the newest extended support release in the table; "
        "no version is stated and none is on the host"
    )


def test_a_first_deploy_of_a_stated_version_says_nothing() -> None:
    assert verdicts(host(), version="11.7.9") == {}


def test_without_a_version_a_host_keeps_its_release_and_hears_of_newer_ones() -> None:
    found = findings(host("11.7.0"))
    assert found["release"].verdict == "note"
    assert found["release"].found == (
        "Mattermost 11.7.0 stays; newer: 11.7.9 (same line). "
        "To upgrade, set `mattermost.release.version`"
    )
    assert found["release-upgrade"].verdict == "ok"
    both = findings(host("10.11.0"))["release"].found
    assert "newer: 10.11.23 (same line) and 11.7.9 (extended support)" in both


def test_the_newest_says_nothing() -> None:
    assert verdicts(host("11.7.9")) == {}
    assert verdicts(host("11.10.0")) == {}


@pytest.mark.parametrize(
    "lost",
    [
        {"current_release": "", "releases": ("10.11.0", "11.7.9")},
        {"current_release": "/srv/mattermost", "releases": ("10.11.0", "11.7.9")},
        {"releases": ("by-hand",), "current_release": "releases/by-hand"},
        {"unread": frozenset({"releases"}), "releases": ()},
        {"unread": frozenset({"current_release"})},
    ],
)
def test_an_unknown_release_is_never_replaced_by_the_default(
    lost: dict[str, Any],
) -> None:
    found = findings(host("11.7.9", **lost))["release"]
    assert found.verdict == "error"
    assert "unknown which release runs here" in found.found
    assert findings(host("11.7.9", **lost), version="11.7.9")["release"].verdict == "ok"


def test_a_stated_newer_one_is_an_upgrade_and_what_it_means() -> None:
    found = findings(host("11.7.0"), version="11.7.9")
    assert found["release-upgrade"].verdict == "warning"
    assert "11.7.0 is on the host, and 11.7.9 is stated: an upgrade" in (
        found["release-upgrade"].found
    )
    assert "migrates its database" in found["release-upgrade"].remedy
    assert found["release-path"].verdict == "ok"


@pytest.mark.parametrize(
    ("before", "after", "verdict", "said"),
    [
        ("10.11.17", "11.7.2", "error", "upgrade to 11.7.3 or newer"),
        ("6.3.0", "10.11.0", "error", "deploy the newest release of 7.1 first"),
        ("5.30.0", "11.7.9", "error", "deploy the newest release of 5.37 first"),
        ("5.37.10", "11.7.9", "error", "deploy the newest release of 7.1 first"),
        ("9.11.2", "11.7.9", "warning", "that skip 10.5, 10.11"),
        ("10.5.1", "10.11.23", "ok", ""),
    ],
)
def test_a_path_that_the_vendor_does_not_support_is_named(
    before: str, after: str, verdict: str, said: str
) -> None:
    found = findings(host(before), version=after)["release-path"]
    assert found.verdict == verdict
    assert said in found.remedy


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (
            "11.2.4",
            "10.11.0",
            "users who logged in with a password since then can't log in any more",
        ),
        ("11.7.9", "11.7.8", "may not understand"),
    ],
)
def test_an_older_one_is_refused(before: str, after: str, said: str) -> None:
    found = findings(host(before), version=after)["release-downgrade"]
    assert found.verdict == "error"
    assert f"{after} is stated: a downgrade" in found.found
    assert said in found.remedy


@pytest.mark.parametrize("stated", [True, False])
def test_a_line_without_support_is_named(stated: bool) -> None:
    said = {"version": "10.11.23"} if stated else {}
    found = findings(host("10.11.23"), **said)["release-support"]
    assert found.verdict == "warning"
    assert "support for Mattermost 10.11 ended on 2026-08-15" in found.remedy


def test_settings_are_judged_by_the_release_of_the_host() -> None:
    unstated = replace(place(), site=replace(ABOUT, version_is_stated=False))
    archived = {"TeamSettings.ExperimentalViewArchivedChannels": False}
    check = release.settings_fit(archived, unstated).check
    assert [one.verdict for one in check(host("10.11.0"))] == ["ok"]
    (refused,) = check(host("11.7.0"))
    assert refused.verdict == "error"
    assert "TeamSettings.ExperimentalViewArchivedChannels" in refused.found
    assert [one.verdict for one in check(host())] == ["error"], "a first deploy takes 11"


def test_a_tarball_for_another_processor_is_refused_before_it_is_fetched() -> None:
    file = "https://key:secret@example.com/mattermost-11.7.9-linux-amd64.tar.gz"
    said = {"file": file, "unverified": True}
    assert findings(host(), **said)["release-architecture"].verdict == "ok"
    found = findings(host(architecture="arm64"), **said)["release-architecture"]
    assert (found.verdict, found.found, found.remedy) == (
        "error",
        "mattermost.release.file is for amd64, and the host is arm64",
        "Set the tarball for linux-arm64 there.",
    )
    # What is already on the host is not fetched.
    there = host("11.7.9", architecture="arm64")
    assert findings(there, **said)["release-architecture"].verdict == "ok"


def test_a_release_whose_tarball_for_the_processor_nobody_can_verify_is_refused() -> None:
    arm = host(architecture="arm64")
    found = findings(arm, version="11.7.9")["release-architecture"]
    assert (found.verdict, found.found) == ("error", "no digest of the tarball for arm64")
    assert "mattermost-11.7.9-linux-arm64.tar.gz is not in the table of releases" in found.remedy
    for trusted in ({"sha256": "a" * 64}, {"unverified": True}, {"signature_key": "key.gpg"}):
        said = findings(arm, version="11.7.9", **trusted)
        assert said["release-architecture"].verdict == "ok"
    assert findings(host(), version="11.7.9")["release-architecture"].verdict == "ok"
