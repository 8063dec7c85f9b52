"""The facts of hosts, and why there are none."""

from dataclasses import replace

import pytest

from mattermost_host.engine import each_host
from mattermost_host.facts import questions, reading
from mattermost_host.facts.host import HostFacts
from tests.unit.examples import DEBIAN_12
from tests.unit.ssh_server import local_host

BLIND = replace(DEBIAN_12, unread=frozenset(questions.QUESTIONS) | {"clock"})


@pytest.mark.parametrize(
    ("facts", "refused"),
    [(BLIND, True), (replace(DEBIAN_12, unread=frozenset({"clock", "cpus"})), False)],
)
def test_a_host_where_root_can_start_no_program_is_refused(
    facts: HostFacts, refused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "read", lambda host, *_: facts)
    monkeypatch.setattr(each_host, "is_this_machine", lambda host: False)
    monkeypatch.setattr(each_host, "connect", lambda host: None)
    monkeypatch.setattr(each_host, "ask", lambda hosts, ask: [ask(one) for one in hosts])
    host = local_host()
    found = reading.facts_of([host], "chat.example.com")
    assert found.facts == ({} if refused else {host.name: facts})
    assert ("NOEXEC" in str(found.silent.get(host.name))) is refused
