"""What Ubuntu brings that Debian does not: each is a finding, or none, with what to do."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from mattermost_host.components import nginx, postgres
from mattermost_host.components.postgres import Settings
from mattermost_host.facts.host import HostFacts
from mattermost_host.knowledge import postgresql_versions
from mattermost_host.preflight import conflicts
from mattermost_host.preflight import host as requirements
from mattermost_host.preflight import run as preflight
from mattermost_host.preflight.finding import Finding, Requirement
from tests.unit.examples import DEBIAN_12, place

JAMMY = replace(DEBIAN_12, distribution="ubuntu", release="22.04", glibc="2.35")
NOBLE = replace(DEBIAN_12, distribution="ubuntu", release="24.04", glibc="2.39")
NEXT = replace(DEBIAN_12, distribution="ubuntu", release="26.04", glibc="2.42")


def _one(needed: Requirement, facts: HostFacts) -> Finding:
    (found,) = needed.check(facts)
    return found


def _postgresql(facts: HostFacts, **said: Any) -> Finding:
    needed, *_ = postgres.requires(Settings(**said), place(facts))
    return _one(needed, facts)


def test_an_active_ufw_is_a_finding_and_an_installed_one_is_none() -> None:
    there = replace(NOBLE, packages=(("ufw", "0.36.2"),))
    assert _one(conflicts.no_other_firewall(), there).verdict == "ok"
    found = _one(conflicts.no_other_firewall(), replace(there, active_units=("ufw",)))
    assert (found.verdict, found.found) == ("error", "active: ufw")
    assert "for ufw first 'ufw disable'" in found.remedy


def test_cloud_init_at_work_is_said_with_what_a_deploy_does() -> None:
    needed = conflicts.first_boot_is_over()
    assert _one(needed, NOBLE).verdict == "ok"
    found = _one(needed, replace(NOBLE, first_boot=True))
    assert (found.verdict, found.found) == ("warning", "cloud-init is still at work")
    assert "cloud-init status --wait" in found.remedy and "at most 10 minutes" in found.remedy
    assert _one(needed, replace(NOBLE, unread=frozenset({"first_boot"}))).verdict == "warning"


def test_a_certbot_of_snap_is_not_fought_with() -> None:
    needed = conflicts.no_certbot_of_snap()
    assert _one(needed, replace(NOBLE, snaps=("lxc",))).verdict == "ok"
    found = _one(needed, replace(NOBLE, snaps=("certbot", "lxc")))
    assert (found.verdict, found.found) == ("error", "certbot is there as a snap")
    assert "snap remove certbot" in found.remedy
    assert _one(needed, replace(NOBLE, unread=frozenset({"snaps"}))).verdict == "warning"


def test_postgresql_14_of_ubuntu_22_04_is_let_through_with_pgdg_as_the_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = _postgresql(JAMMY)
    assert (found.verdict, found.found) == ("warning", "PostgreSQL 14")
    assert "ended its support for PostgreSQL 14 on 2026-11-12" in found.remedy
    assert "There is no database here yet" in found.remedy and "postgres.pgdg" in found.remedy
    there = replace(JAMMY, managed=True, clusters=(("14", "main", 5432),))
    assert _postgresql(there).remedy.endswith("Plan the upgrade of the database.")
    assert _postgresql(JAMMY, pgdg=True).verdict == "ok"
    assert _postgresql(NOBLE).found == "PostgreSQL 16"
    monkeypatch.setattr(postgresql_versions, "MINIMUM", (((0, 0), 15),))
    refused = _postgresql(JAMMY)
    assert refused.verdict == "error"
    assert "Mattermost 11.7.9 needs 15 or newer" in refused.remedy
    assert "postgres.pgdg" in refused.remedy


def test_postgresql_14_had_no_warning_while_it_was_supported() -> None:
    assert postgresql_versions.out_of_support(14, date(2026, 11, 12), in_use=False) is None


@pytest.mark.parametrize(("facts", "code_name"), [(JAMMY, "jammy"), (NOBLE, "noble")])
def test_pgdg_knows_ubuntu_by_its_code_names(facts: HostFacts, code_name: str) -> None:
    assert facts.platform.code_name == code_name


def test_a_release_that_is_not_known_yet_is_deployed_only_by_a_stated_skip() -> None:
    needed = {"mm1": [requirements.supported_platform()]}
    report = preflight.collect(needed, {"mm1": NEXT}, {})
    assert [one.found for _, one in report.errors] == ["ubuntu 26.04"]
    assert "not known yet" in report.errors[0][1].remedy
    skip = {"supported-platform": "a trial of the beta"}
    skipped = preflight.collect(needed, {"mm1": NEXT}, skip)
    (found,) = skipped.findings["mm1"]
    assert (found.verdict, found.found) == ("skipped", "a trial of the beta")


@pytest.mark.parametrize(
    ("offers", "major"),
    [
        ({}, 16),
        ({"candidates": (("postgresql", "18+290ubuntu1"),)}, 18),
        ({"packages": (("postgresql-17", "17.2-1"), ("nginx", "1.28"))}, 17),
    ],
)
def test_its_postgresql_is_what_the_host_offers(offers: dict[str, Any], major: int) -> None:
    facts = replace(NEXT, **offers)
    assert postgres.major(Settings(), facts) == major
    assert postgres.unit(Settings(), facts) == f"postgresql@{major}-main.service"


def test_an_unknown_release_has_nothing_that_only_another_is_known_by() -> None:
    row = NEXT.platform
    assert (row.release, row.family) == ("26.04", NOBLE.family)
    assert (row.code_name, row.brotli_module) == ("", "")
    assert NOBLE.platform.code_name and NOBLE.platform.brotli_module


def test_enterprise_linux_10_is_taken_for_9_without_its_modules() -> None:
    rocky_9 = replace(DEBIAN_12, distribution="rocky", release="9.4")
    rocky_10 = replace(rocky_9, release="10.0")
    for said in (Settings(), Settings(pgdg=True)):
        assert postgres.cluster(said, rocky_9).streams
        assert postgres.cluster(said, rocky_10).streams == {}
    assert nginx.streams(rocky_9) and nginx.streams(rocky_10) == {}
    assert rocky_10.family is rocky_9.family


def test_pgdg_is_refused_where_nobody_knows_what_it_calls_the_release() -> None:
    needed, *_ = postgres.requires(Settings(pgdg=True), place(NEXT))
    ((_, found),) = preflight.collect({"mm1": [needed]}, {"mm1": NEXT}, {}).errors
    assert "no packages for Ubuntu 26.04 that we know" in found.remedy
