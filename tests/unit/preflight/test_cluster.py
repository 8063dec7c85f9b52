"""What a host needs for a database on several hosts: no HAProxy that serves somebody else."""

from dataclasses import replace

import pytest

from mattermost_host.components import haproxy
from mattermost_host.facts.host import Listener
from mattermost_host.preflight.finding import Finding
from tests.unit.cluster_examples import place
from tests.unit.examples import DEBIAN_12

OURS = Listener("tcp", "127.0.0.1", 5432, "haproxy")
FOREIGN = Listener("tcp", "0.0.0.0", 8080, "haproxy")


def _found(*listeners: Listener, managed: bool, unread: frozenset[str] = frozenset()) -> Finding:
    facts = replace(DEBIAN_12, listeners=listeners, managed=managed, unread=unread)
    needed = haproxy.requires(haproxy.Settings(), place(facts, "chat"))
    (one,) = [check for check in needed if check.name == "no-other-haproxy"]
    (finding,) = one.check(facts)
    return finding


@pytest.mark.parametrize("managed", [False, True])
def test_a_haproxy_that_serves_something_else_is_left_alone(managed: bool) -> None:
    found = _found(*([OURS] if managed else []), FOREIGN, managed=managed)
    assert (found.verdict, found.found) == ("error", "HAProxy listens on 0.0.0.0:8080")
    assert found.remedy == (
        "A deploy starts haproxy.service with the site's configuration, which would end what is "
        "served there. Move that to another host and disable it."
    )


def test_the_site_s_own_is_none_of_somebody_else_s() -> None:
    assert _found(OURS, managed=True).verdict == "ok"
    assert _found(OURS, managed=False).found == "HAProxy listens on 127.0.0.1:5432"


def test_another_program_at_a_port_is_no_haproxy() -> None:
    assert _found(replace(FOREIGN, process="java"), managed=False).verdict == "ok"


def test_listeners_that_could_not_be_read_are_told() -> None:
    found = _found(managed=False, unread=frozenset({"listeners"}))
    assert found.verdict == "warning"
