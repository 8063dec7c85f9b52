"""What a host was hardened with: said, with the documents' way."""

from dataclasses import replace

import pytest

from mattermost_host.preflight.finding import Finding, Requirement
from mattermost_host.preflight.hardening import fapolicyd, fips
from tests.unit.examples import DEBIAN_12, ROCKY_9


def _only(needed: Requirement, **changes: object) -> Finding:
    (found,) = needed.check(replace(ROCKY_9, **changes))  # type: ignore[arg-type]
    assert found.name == needed.name
    assert bool(found.remedy) == (found.verdict != "ok")
    return found


@pytest.mark.parametrize("needed", [fips(), fapolicyd()])
def test_a_usual_host_will_do(needed: Requirement) -> None:
    assert _only(needed).verdict == "ok"
    assert [one.verdict for one in needed.check(DEBIAN_12)] == ["ok"]


def test_fips_is_said() -> None:
    found = _only(fips(), fips=True)
    assert found.verdict == "warning"
    assert "container image" in found.remedy


def test_fapolicyd_without_a_rule_would_stop_the_server() -> None:
    found = _only(fapolicyd(), active_units=("fapolicyd",))
    assert found.verdict == "error"
    assert "allow perm=execute all : dir=/opt/mattermost/ trust=0" in found.remedy
    assert "/etc/fapolicyd/rules.d/80-mattermost.rules" in found.remedy
    ruled = _only(fapolicyd(), active_units=("fapolicyd",), allowed_programs=True)
    assert ruled.verdict == "ok"


@pytest.mark.parametrize(
    ("needed", "question"),
    [(fips(), "fips"), (fapolicyd(), "units"), (fapolicyd(), "allowed_programs")],
)
def test_a_host_that_does_not_say_is_no_good_host(needed: Requirement, question: str) -> None:
    assert _only(needed, unread=frozenset({question})).verdict == "warning"
