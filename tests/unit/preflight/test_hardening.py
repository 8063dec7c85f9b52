"""What a host was hardened with: said, with the documents' way."""

from dataclasses import replace

import pytest

from mattermost_host.preflight.finding import Finding, Requirement
from mattermost_host.preflight.hardening import crypto_policy, fapolicyd, fips, sudo_rules
from tests.unit.examples import DEBIAN_12, ROCKY_9


def _only(needed: Requirement, **changes: object) -> Finding:
    (found,) = needed.check(replace(ROCKY_9, **changes))  # type: ignore[arg-type]
    assert found.name == needed.name
    assert bool(found.remedy) == (found.verdict != "ok")
    return found


@pytest.mark.parametrize("needed", [fips(), fapolicyd(), sudo_rules()])
def test_a_usual_host_will_do(needed: Requirement) -> None:
    assert _only(needed).verdict == "ok"
    assert [one.verdict for one in needed.check(DEBIAN_12)] == ["ok"]


def test_fips_is_said() -> None:
    found = _only(fips(), fips=True)
    assert found.verdict == "warning"
    assert "container image only (mattermost-enterprise-fips-edition, since 11.0)" in found.remedy


def test_fapolicyd_without_a_rule_would_stop_the_server() -> None:
    found = _only(fapolicyd(), active_units=("fapolicyd",))
    assert found.verdict == "error"
    assert "allow perm=execute all : dir=/opt/mattermost/ trust=0" in found.remedy
    assert "/etc/fapolicyd/rules.d/80-mattermost.rules" in found.remedy
    ruled = _only(fapolicyd(), active_units=("fapolicyd",), allowed_programs=True)
    assert ruled.verdict == "ok"


@pytest.mark.parametrize(
    ("needed", "question"),
    [
        (fips(), "fips"),
        (fapolicyd(), "units"),
        (fapolicyd(), "allowed_programs"),
        (sudo_rules(), "sudo_rules"),
    ],
)
def test_a_host_that_does_not_say_is_no_good_host(needed: Requirement, question: str) -> None:
    assert _only(needed, unread=frozenset({question})).verdict == "warning"


def test_each_rule_of_sudo_for_a_service_is_named_once() -> None:
    rules = (("/etc/sudoers", "ALL"), *[("/etc/sudoers.d/chat", "mattermost")] * 2)
    found = list(sudo_rules().check(replace(DEBIAN_12, sudo_rules=rules)))
    assert [(one.verdict, one.found) for one in found] == [
        ("warning", "/etc/sudoers has a rule for ALL"),
        ("warning", "/etc/sudoers.d/chat has a rule for mattermost"),
    ]
    assert "visudo -f /etc/sudoers.d/chat" in found[1].remedy


@pytest.mark.parametrize("policy", ["DEFAULT", "FUTURE", "FIPS:OSPP", "DEFAULT:NO-SHA1", "OWN"])
def test_a_policy_for_cryptography_that_allows_nothing_weak(policy: str) -> None:
    found = _only(crypto_policy(), crypto_policy=policy)
    assert (found.verdict, found.found) == ("ok", policy)


@pytest.mark.parametrize("policy", ["LEGACY", "DEFAULT:SHA1", "LEGACY:NO-CBC"])
def test_a_weak_policy_for_cryptography_is_said(policy: str) -> None:
    found = _only(crypto_policy(), crypto_policy=policy)
    assert found.verdict == "warning"
    assert found.found.startswith(policy)
    assert "update-crypto-policies --set DEFAULT" in found.remedy


def test_a_policy_for_cryptography_that_is_not_told() -> None:
    for unknown in ({"crypto_policy": ""}, {"unread": frozenset({"crypto_policy"})}):
        assert _only(crypto_policy(), **unknown).verdict == "warning"
    assert list(crypto_policy().check(DEBIAN_12)) == []
