"""What Patroni tells, and what follows for its members and their shared settings."""

import json
from dataclasses import replace

import pytest

from mattermost_host.ops import patroni_members, patroni_settings
from mattermost_host.ops.patroni_settings import differing
from mattermost_host.ops.patroni_state import AskCluster, ClusterState, Member, Way
from tests.unit import local
from tests.unit.fake_host import Plan, answering, plan

QUESTION = AskCluster(Way("https://10.0.0.1:8008", "/a.pem", "/c.pem", "/k.pem"), "db1")
SETTINGS = {"ttl": 20, "synchronous_mode": "quorum", "postgresql": {"parameters": {"a": "1"}}}
# As Patroni 4.0 answers.
CLUSTER = {
    "members": [
        {"name": "db1", "role": "leader", "state": "running", "timeline": 1},
        {"name": "db2", "role": "quorum_standby", "state": "streaming", "pending_restart": True},
    ],
    "scope": "mattermost",
}
RIGHT = ClusterState(True, SETTINGS, (), leads=True, follows=True)


def _lines(*more: str, **cluster: object) -> list[str]:
    told = {**CLUSTER, **cluster}
    return [f"settings={json.dumps(SETTINGS)}", f"cluster={json.dumps(told)}", *more]


def test_what_patroni_answers() -> None:
    assert QUESTION.parse(_lines("leads", "follows")) == ClusterState(
        True,
        SETTINGS,
        (Member("db1", "leader", "running"), Member("db2", "quorum_standby", "streaming", True)),
        leads=True,
        follows=True,
    )
    assert QUESTION.parse(_lines(pause=True)).paused
    assert not QUESTION.parse(["settings=", "cluster="]).answered
    assert QUESTION.parse(["absent"]).answered, "a host that is to be made"


def test_only_the_leaders_host_changes_the_shared_settings() -> None:
    wanted = {**SETTINGS, "ttl": 30}
    assert json.loads(_settings(RIGHT, wanted).stdin) == wanted
    assert json.loads(_settings(replace(RIGHT, paused=True), SETTINGS).stdin)["pause"] is None
    assert "-X PATCH" in _settings(RIGHT, wanted).shell
    assert _settings(ClusterState(True, SETTINGS), wanted).changed == []
    assert _settings(RIGHT, SETTINGS).changed == []


def test_what_the_administrator_added_stays() -> None:
    found = {**SETTINGS, "slots": {"mine": {}}, "postgresql": {"parameters": {"a": 1, "b": "2"}}}
    assert list(differing(SETTINGS, found)) == []
    assert list(differing(SETTINGS, {})) == ["ttl", "synchronous_mode", "postgresql.parameters.a"]


@pytest.mark.parametrize(
    "now",
    [
        ClusterState(False),
        ClusterState(True, SETTINGS, leads=True, paused=True),
    ],
)
def test_what_no_setting_mends_is_told_all_the_same(now: ClusterState) -> None:
    assert _settings(now, SETTINGS).changed == ["alike"]


def _settings(now: ClusterState, wanted: dict[str, object]) -> Plan:
    return plan(
        lambda: patroni_settings.present(name="alike", question=QUESTION, wanted=wanted),
        answer=answering({QUESTION: now}),
    )


def test_a_member_that_neither_leads_nor_follows_is_waited_for() -> None:
    def planned(now: ClusterState) -> Plan:
        return plan(
            lambda: patroni_members.follows(name="it follows", question=QUESTION),
            answer=answering({QUESTION: now}),
        )

    assert planned(RIGHT).changed == []
    late = planned(ClusterState(True, SETTINGS))
    assert late.changed == ["it follows"]
    # Already there: the script ends at once, and says nothing.
    done = local.run(late.shell.replace(QUESTION.way.follows, "true"))
    assert (done.returncode, done.stdout) == (0, "")
