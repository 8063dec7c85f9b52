"""SELinux before a deploy: said where it is off, and left as it is."""

from dataclasses import replace

import pytest

from mattermost_host.facts.host import HostFacts
from mattermost_host.preflight.selinux import selinux_enforces
from tests.unit.examples import DEBIAN_12, ROCKY_9


@pytest.mark.parametrize(
    ("facts", "verdict", "remedy"),
    [
        (ROCKY_9, "ok", ""),
        (replace(ROCKY_9, selinux="permissive"), "warning", "setenforce 1"),
        (replace(ROCKY_9, selinux="disabled"), "warning", "fixfiles -F onboot"),
        (replace(ROCKY_9, unread=frozenset({"selinux"})), "warning", "Check it yourself"),
    ],
)
def test_it_enforces_or_it_is_said(facts: HostFacts, verdict: str, remedy: str) -> None:
    (finding,) = selinux_enforces().check(facts)
    assert (finding.name, finding.verdict) == ("selinux", verdict)
    assert remedy in finding.remedy


def test_distributions_without_it_need_no_word() -> None:
    assert list(selinux_enforces().check(DEBIAN_12)) == []
