"""Members restart one after the other, a leader after it has handed over."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from pyinfra.api.operation import OperationMeta

from mattermost_host.ops import patroni_members
from mattermost_host.ops.patroni_members import Handover
from mattermost_host.ops.patroni_state import AskCluster, ClusterState, Way
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
