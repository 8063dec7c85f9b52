"""PostgreSQL's accounts: the verifier that a real PostgreSQL takes, and when it is written."""

import subprocess

import pytest
from pydantic import SecretStr

from mattermost_host.ops import database_accounts
from mattermost_host.ops.database_accounts import Account, AskAccounts, verifier
from mattermost_host.ops.database_state import Client
from tests.unit import local
from tests.unit.fake_host import Plan, answering, plan
from tests.unit.ops.databases import Cluster

READS = "pg_catalog.pg_read_binary_file(text)"
ACCOUNTS = (
    Account("replicator", SecretStr("Replicator-1"), "LOGIN REPLICATION"),
    Account("rewind", SecretStr("Rewind-1"), "LOGIN", (READS,)),
)
QUESTION = AskAccounts(tuple((one.name, one.may_execute) for one in ACCOUNTS), Client())


def _planned(found: object) -> Plan:
    return plan(
        lambda: database_accounts.present(name="accounts", client=Client(), accounts=ACCOUNTS),
        answer=answering({QUESTION: found}),
    )


def test_the_same_password_has_the_same_verifier_and_another_account_another() -> None:
    password = SecretStr("Replicator-1")
    assert verifier("replicator", password) == verifier("replicator", password)
    assert verifier("replicator", password) != verifier("rewind", password)


def test_a_host_that_does_not_lead_changes_nothing() -> None:
    assert _planned(None).changed == []


def test_neither_password_nor_verifier_is_in_a_command() -> None:
    done = _planned({})
    assert "SCRAM" not in done.shell
    assert "-1'" not in done.stdin


def _run(cluster: Cluster, planned: Plan) -> None:
    (step,) = planned.steps
    for command in step.commands:
        done = local.run(command, step.stdin, cluster.programs)
        assert done.returncode == 0, done.stderr


def _found(cluster: Cluster) -> object:
    return local.ask_here(QUESTION, cluster.programs)


def test_a_real_cluster_converges(cluster: Cluster) -> None:
    for one in ACCOUNTS:
        cluster.sql(f"DROP ROLE IF EXISTS {one.name}")
    assert _found(cluster) == {}
    _run(cluster, _planned(_found(cluster)))
    assert _planned(_found(cluster)).changed == []


@pytest.mark.parametrize(
    "edit",
    [
        "ALTER ROLE replicator PASSWORD 'another'",
        "ALTER ROLE rewind PASSWORD NULL",
        f"REVOKE EXECUTE ON FUNCTION {READS} FROM rewind",
    ],
)
def test_each_edit_of_a_real_cluster_is_put_right(cluster: Cluster, edit: str) -> None:
    if _found(cluster) == {}:
        _run(cluster, _planned({}))
    cluster.sql(edit)
    assert _planned(_found(cluster)).changed == ["accounts"]
    _run(cluster, _planned(_found(cluster)))
    assert _planned(_found(cluster)).changed == []


def test_a_real_cluster_lets_in_by_the_password(cluster: Cluster) -> None:
    """Its access rules ask nobody for one, so the verifier is compared with PostgreSQL's own."""
    account = Account("person", SecretStr("Person-1"))
    cluster.sql("DROP ROLE IF EXISTS person")
    for statement in account.statements(exists=False):
        cluster.sql(statement)
    hba = cluster.data / "pg_hba.conf"
    before = hba.read_text()
    hba.write_text("local all person scram-sha-256\n" + before)
    try:
        cluster.sql("SELECT pg_reload_conf()")
        assert _logs_in(cluster, "Person-1")
        assert not _logs_in(cluster, "Person-2")
    finally:
        hba.write_text(before)
        cluster.sql("SELECT pg_reload_conf()")


def _logs_in(cluster: Cluster, password: str) -> bool:
    command = [str(cluster.binaries / "psql"), "-h", str(cluster.folder), "-U", "person"]
    done = subprocess.run(
        [*command, "-d", "postgres", "-c", "select 1"],
        env={"PGPASSWORD": password, "PATH": "/usr/bin:/bin"},
        capture_output=True,
        check=False,
        cwd="/",
    )
    return done.returncode == 0
