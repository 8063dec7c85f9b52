"""Members restart one after the other, a leader after it has handed over."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from pyinfra.api.operation import OperationMeta

from mattermost_host.engine import explanations
from mattermost_host.ops import patroni_members
from mattermost_host.ops.patroni_members import Handover
from mattermost_host.ops.patroni_state import AskCluster, ClusterState, Member, Way
from tests.unit import local
from tests.unit.fake_host import Plan, answering, plan

WAY = Way("https://10.0.0.1:8008", "/a.pem", "/c.pem", "/k.pem")
QUESTION, HANDOVER = AskCluster(WAY, "db1"), Handover(WAY, "db1")
LEADER = ClusterState(True, leads=True, follows=True)
FOLLOWER = replace(LEADER, leads=False)


def _planned(operation: Callable[..., OperationMeta], now: ClusterState) -> Plan:
    return plan(
        lambda: operation(name="it", question=QUESTION, handover=HANDOVER),
        answer=answering({QUESTION: now}),
    )


@pytest.mark.parametrize("now", [LEADER, FOLLOWER])
def test_nothing_restarts_where_no_parameter_waits(now: ClusterState) -> None:
    assert _planned(patroni_members.restarted, now).changed == []
    assert _planned(patroni_members.lowered, now).changed == []


def test_only_a_leader_restarts_first_for_lower_parameters() -> None:
    lower = replace(LEADER, waits_for_restart=True, waits_for_lower=True)
    assert _planned(patroni_members.lowered, lower).changed == ["it"]
    assert _planned(patroni_members.lowered, replace(lower, leads=False)).changed == []
    higher = replace(LEADER, waits_for_restart=True)
    assert _planned(patroni_members.lowered, higher).changed == []


def _run(now: ClusterState, folder: Path, *, leads: bool) -> list[str]:
    """What is asked of Patroni, in order: the last word of each address."""
    log = folder / "log"
    refused = "" if leads else 'case "$*" in */primary*) exit 22 ;; esac'
    for_log = f'for each; do last=$each; done; echo "$last" | sed s,.*/,, >>{log}'
    local.program(folder / "programs", "curl", f"{for_log}; {refused}")
    shell = _planned(patroni_members.restarted, now).shell
    done = local.run(shell, programs=folder / "programs")
    assert done.returncode == 0, done.stderr
    return log.read_text().split()


def test_a_leader_hands_over_before_it_restarts(tmp_path: Path) -> None:
    asked = _run(replace(LEADER, waits_for_restart=True), tmp_path, leads=True)
    assert asked == ["primary", "switchover", "primary", "restart", "primary"]


def test_a_follower_just_restarts(tmp_path: Path) -> None:
    asked = _run(replace(FOLLOWER, waits_for_restart=True), tmp_path, leads=False)
    assert asked == ["primary", "restart", "primary", "replica"]


def test_a_refused_restart_says_what_patroni_says(tmp_path: Path) -> None:
    said = 'case "$*" in */restart*) echo no; exit 22 ;; esac'
    local.program(tmp_path, "curl", said)
    shell = _planned(patroni_members.restarted, replace(FOLLOWER, waits_for_restart=True)).shell
    done = local.run(shell, programs=tmp_path)
    assert (done.returncode, done.stderr) == (1, "no\n")


OURS = ["db1", "db2"]
LED_BY_OTHER = ClusterState(
    True,
    members=(
        Member("db1", "quorum_standby", "streaming"),
        Member("db2", "replica", "streaming"),
        Member("db9", "leader", "running"),
    ),
)
LED_BY_OURS = replace(
    LED_BY_OTHER, members=(Member("db1", "leader", "running"), *LED_BY_OTHER.members[1:2])
)
CLUSTER = '{{"members": [{{"name": "{leader}", "role": "leader", "state": "running"}}]}}'


def _of_inventory(operation: Callable[..., OperationMeta], now: ClusterState) -> Plan:
    with explanations.collecting():
        return plan(
            lambda: operation(name="it", question=QUESTION, ours=OURS),
            answer=answering({QUESTION: now}),
        )


def test_members_of_the_inventory_are_no_change() -> None:
    for now in (LED_BY_OURS, ClusterState(False), ClusterState(True)):
        assert _of_inventory(patroni_members.led_by_ours, now).changed == []
        assert _of_inventory(patroni_members.only_ours, now).changed == []


@pytest.mark.parametrize(("leader", "moved"), [("db9", True), ("db2", False)])
def test_a_leader_that_left_the_inventory_hands_over_once(
    tmp_path: Path, leader: str, moved: bool
) -> None:
    """Another host of the run may have asked for it meanwhile."""
    made = _of_inventory(patroni_members.led_by_ours, LED_BY_OTHER)
    (change,) = made.step("it").told
    assert str(change) == "the database is led by db9, which the inventory does not name"
    log = tmp_path / "log"
    told = CLUSTER.format(leader=leader)
    asked = f'case "$*" in */cluster) echo \'{told}\' ;; *) echo "$*" >>{log} ;; esac'
    local.program(tmp_path / "programs", "curl", asked)
    done = local.run(made.shell, programs=tmp_path / "programs")
    assert done.returncode == 0, done.stderr
    assert log.exists() is moved
    if moved:
        assert (
            '-X POST --data {"leader": "db9"} https://10.0.0.1:8008/switchover' in log.read_text()
        )


def test_a_member_that_stays_though_it_left_the_inventory_is_named(tmp_path: Path) -> None:
    made = _of_inventory(patroni_members.only_ours, LED_BY_OTHER)
    (change,) = made.step("it").told
    assert str(change) == "the database's member db9 is not among the inventory's hosts"
    count = tmp_path / "count"
    local.program(tmp_path, "date", f"echo x >>{count}; echo $(($(wc -l <{count}) * 40))")
    local.program(tmp_path, "curl", f"echo '{CLUSTER.format(leader='db9')}'")
    stays = local.run(made.shell, programs=tmp_path)
    assert stays.returncode == 1
    assert "Still members of the database after 60 s, and not in the inventory: db9" in stays.stderr
    assert "systemctl disable --now patroni" in stays.stderr
    local.program(tmp_path, "curl", f"echo '{CLUSTER.format(leader='db1')}'")
    assert local.run(made.shell, programs=tmp_path).returncode == 0
