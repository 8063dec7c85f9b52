"""Data checksums that somebody switched off are computed anew, on a real PostgreSQL."""

import os
from collections.abc import Iterator
from dataclasses import replace

import pytest

from mattermost_host.ops import database
from mattermost_host.ops.database_state import AskDatabase, Client, DatabaseState
from tests.unit import local
from tests.unit.fake_host import Plan, answering, plan
from tests.unit.ops.databases import RIGHT, Cluster

UNIT = "postgresql.service"


def _planned(question: AskDatabase, state: DatabaseState) -> Plan:
    answer = answering({question: state})

    def deploy() -> None:
        database.present(name="ours", question=question, locale="C", unit=UNIT, parameters={})

    return plan(deploy, answer=answer)


@pytest.fixture
def wanted(cluster: Cluster) -> Iterator[Cluster]:
    """The cluster, as if it had been made with checksums, and a systemctl that is obeyed."""
    cluster.deploy()
    asked = cluster.question
    psql = str(cluster.binaries / "psql")
    cluster.question = replace(asked, checksums_in=str(cluster.data), client=Client(psql=psql))
    control = f"{cluster.binaries}/pg_ctl -D {cluster.data} -w -l {cluster.folder}/log -m fast"
    become = "runuser -u postgres -- " if os.geteuid() == 0 else ""
    local.program(cluster.programs, "systemctl", f'{become}{control} "$1" >/dev/null')
    reach = f"PGHOST={cluster.folder} PGUSER=postgres"
    local.program(cluster.programs, "setpriv", f'shift 3; {reach} exec {become}"$@"')
    yield cluster
    cluster.question = asked


def test_they_are_computed_anew_and_postgresql_runs_again(wanted: Cluster) -> None:
    state = wanted.state()
    assert state == replace(RIGHT, checksums=False)
    shell = _planned(wanted.question, state).shell
    done = local.run(shell, (), wanted.programs)
    assert done.returncode == 0, done.stderr
    assert wanted.state() == RIGHT
    assert _planned(wanted.question, RIGHT).changed == []


def test_postgresql_runs_again_where_they_cannot_be_computed(wanted: Cluster) -> None:
    question = replace(wanted.question, checksums_in=f"{wanted.folder}/nowhere")
    shell = _planned(question, replace(RIGHT, checksums=False)).shell
    done = local.run(shell, (), wanted.programs)
    assert done.returncode == 1
    assert "nowhere" in done.stderr
    assert wanted.state().answered


def test_a_run_that_repairs_by_itself_leaves_them(wanted: Cluster) -> None:
    """It stops the site for as long as the database takes to read."""
    told = list(database._explained(wanted.question, replace(RIGHT, checksums=False), UNIT))
    assert [(change.subject, change.heals) for change in told] == [(UNIT, False)]
