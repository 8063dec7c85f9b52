"""Checks of hosts with dnf: repositories, streams that others fixed; nothing is said elsewhere."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from mattermost_host.facts.host import HostFacts
from mattermost_host.preflight import dnf
from mattermost_host.preflight.finding import Finding, Requirement
from tests.unit.examples import DEBIAN_12, ROCKY_9

POSTGRESQL = dnf.module_stream("postgresql", "postgresql-server", lambda _: "16")
RHEL = replace(
    ROCKY_9,
    distribution="rhel",
    registered=True,
    repositories=("rhel-9-for-x86_64-baseos-rpms", "rhel-9-for-x86_64-appstream-rpms"),
)
BARE = replace(RHEL, registered=False, repositories=())
EVERY: tuple[Callable[[], Requirement], ...] = (
    dnf.subscription,
    dnf.repositories,
    dnf.epel,
    lambda: POSTGRESQL,
)


def _found(needed: Requirement, facts: HostFacts) -> list[Finding]:
    found = list(needed.check(facts))
    for one in found:
        assert one.name == needed.name
        assert bool(one.remedy) == (one.verdict != "ok")
        assert not one.remedy or one.remedy.endswith(".")
    return found


def _only(needed: Requirement, facts: HostFacts) -> Finding:
    (found,) = _found(needed, facts)
    return found


@pytest.mark.parametrize("needed", EVERY)
def test_nothing_is_said_where_there_is_no_dnf(needed: Callable[[], Requirement]) -> None:
    assert _found(needed(), DEBIAN_12) == []
    assert _found(needed(), replace(DEBIAN_12, distribution="arch")) == []


@pytest.mark.parametrize(
    ("distribution", "repositories", "verdict", "words"),
    [
        ("rocky", ("baseos", "appstream"), "ok", ""),
        ("ol", ("ol9_baseos_latest", "ol9_appstream"), "ok", ""),
        # A cloud's image brings its own names.
        ("rhel", ("rhel-9-baseos-rhui-rpms", "rhel-9-appstream-rhui-rpms"), "ok", ""),
        ("rocky", ("baseos",), "error", "'dnf config-manager --set-enabled appstream'."),
        ("rocky", ("baseos", "appstream-source"), "error", "AppStream: not enabled"),
        ("ol", ("ol9_baseos_latest",), "error", "ol9_appstream"),
        ("rocky", (), "error", "BaseOS and AppStream: not enabled"),
        ("rocky", ("company-el9",), "warning", "company-el9"),
        ("rhel", ("rhel-9-for-x86_64-baseos-rpms",), "error", "subscription-manager repos"),
    ],
)
def test_repositories(
    distribution: str, repositories: tuple[str, ...], verdict: str, words: str
) -> None:
    facts = replace(ROCKY_9, distribution=distribution, repositories=repositories)
    found = _only(dnf.repositories(), facts)
    assert found.verdict == verdict
    assert words in f"{found.found} {found.remedy}"


def test_a_missing_subscription_is_said_once() -> None:
    found = _only(dnf.subscription(), BARE)
    assert (found.verdict, found.found) == ("error", "not registered, and no repository is enabled")
    assert "subscription-manager register" in found.remedy
    assert _found(dnf.repositories(), BARE) == []
    registered = replace(BARE, registered=True)
    assert _only(dnf.subscription(), registered).verdict == "ok"
    assert _only(dnf.repositories(), registered).verdict == "error"
    mirror = replace(BARE, repositories=("company-el9",))
    assert _only(dnf.subscription(), mirror).verdict == "ok"


@pytest.mark.parametrize(
    ("facts", "verdict", "words"),
    [
        (replace(ROCKY_9, repositories=("baseos", "epel")), "ok", ""),
        (replace(ROCKY_9, repositories=("ol9_developer_EPEL",)), "ok", ""),
        (replace(ROCKY_9, repositories=("epel-testing", "epel-source")), "error", "epel-release"),
        (ROCKY_9, "error", "'dnf install epel-release'"),
        (replace(ROCKY_9, distribution="ol"), "error", "oracle-epel-release-el9"),
        (RHEL, "error", "as the project's page says"),
    ],
)
def test_epel(facts: HostFacts, verdict: str, words: str) -> None:
    found = _only(dnf.epel(), facts)
    assert found.verdict == verdict
    assert words in found.remedy


@pytest.mark.parametrize(
    ("changes", "verdict", "words"),
    [
        ({}, "ok", ""),
        ({"modules": (("postgresql", "16"),)}, "ok", ""),
        ({"modules": (("nginx", "1.22"),)}, "ok", ""),
        ({"modules": (("postgresql", "15"),)}, "error", "'dnf module reset postgresql'"),
        ({"modules": (("postgresql", ""),)}, "error", "the module is disabled"),
        ({"packages": (("postgresql-server", "13.16-1.el9"),)}, "error", "13.16-1.el9"),
        ({"packages": (("postgresql-server", "16.4-1.el9"),)}, "ok", ""),
        # Ours: the run puts the stream back.
        ({"modules": (("postgresql", "15"),), "managed": True}, "ok", ""),
    ],
)
def test_a_stream_that_somebody_else_fixed(
    changes: dict[str, object], verdict: str, words: str
) -> None:
    found = _only(POSTGRESQL, replace(ROCKY_9, **changes))  # type: ignore[arg-type]
    assert found.verdict == verdict
    assert words in f"{found.found} {found.remedy}"


def test_no_stream_is_asked_for_where_packages_come_from_elsewhere() -> None:
    pgdg = dnf.module_stream("postgresql", "postgresql-server", lambda _: None)
    assert _found(pgdg, replace(ROCKY_9, modules=(("postgresql", "15"),))) == []


@pytest.mark.parametrize(
    ("needed", "question"),
    [
        (dnf.repositories(), "repositories"),
        (dnf.epel(), "repositories"),
        (POSTGRESQL, "modules"),
    ],
)
def test_a_host_that_does_not_say_is_no_good_host(needed: Requirement, question: str) -> None:
    mute = replace(ROCKY_9, unread=frozenset({question}))
    assert _only(needed, mute).verdict == "warning"
