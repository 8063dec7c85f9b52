"""Role, database and parameters on a real PostgreSQL, where this machine has one."""

import subprocess
from dataclasses import replace

import pytest

from mattermost_host.ops import database
from mattermost_host.ops.database_state import DatabaseState
from tests.standin.running import wait_until
from tests.unit import local
from tests.unit.ops.databases import QUESTION, RIGHT, UNIT, Cluster


def test_a_real_cluster_converges(cluster: Cluster) -> None:
    assert cluster.state() == DatabaseState()
    assert cluster.deploy()
    assert cluster.state() == RIGHT
    assert not cluster.deploy()


@pytest.mark.parametrize(
    "edit",
    [
        "ALTER ROLE mattermost SUPERUSER CREATEDB CREATEROLE REPLICATION BYPASSRLS",
        "ALTER ROLE mattermost NOLOGIN",
        "ALTER DATABASE mattermost OWNER TO postgres",
        "ALTER SYSTEM SET work_mem = '64MB'; SELECT pg_reload_conf()",
        "ALTER SYSTEM SET max_connections = 40",
        "ALTER ROLE mattermost SET work_mem = '1MB'",
        "ALTER DATABASE mattermost SET work_mem = '1MB'",
        "ALTER ROLE mattermost IN DATABASE mattermost SET work_mem = '1MB'",
        "ALTER ROLE ALL SET work_mem = '1MB'",
        'DROP ROLE IF EXISTS "E x"; CREATE ROLE "E x" SUPERUSER',
        "ALTER ROLE mattermost CONNECTION LIMIT 0",
        "ALTER ROLE mattermost VALID UNTIL '2001-01-01'",
        "GRANT pg_execute_server_program TO mattermost",
        'DROP ROLE IF EXISTS "F x"; CREATE ROLE "F x"; GRANT "F x" TO mattermost',
        'DROP ROLE IF EXISTS "G x"; CREATE ROLE "G x"; GRANT pg_write_server_files TO "G x"',
        'DROP ROLE IF EXISTS "H x"; CREATE ROLE "H x"; GRANT postgres TO "H x"',
        "REVOKE ALL ON DATABASE mattermost FROM public, mattermost",
        "ALTER ROLE postgres SET default_transaction_read_only = on",
        "ALTER ROLE postgres IN DATABASE postgres SET work_mem = '1MB'",
        "ALTER DATABASE postgres SET work_mem = '1MB'",
        "ALTER ROLE ALL SET statement_timeout = '1ms'",
        "ALTER ROLE ALL SET default_transaction_read_only = on",
        "ALTER SYSTEM SET default_transaction_read_only = on",
        "ALTER ROLE ALL SET role = 'mattermost'",
        "ALTER DATABASE mattermost SET search_path = 'nowhere'",
        "ALTER DATABASE mattermost CONNECTION LIMIT 0",
        "ALTER DATABASE mattermost ALLOW_CONNECTIONS false",
    ],
)
def test_each_edit_of_a_real_cluster_is_put_right(cluster: Cluster, edit: str) -> None:
    cluster.deploy()
    for statement in edit.split("; "):
        cluster.sql(statement)
    if "SYSTEM" in edit:
        cluster.control("restart")
    assert cluster.state() != RIGHT
    assert cluster.deploy()
    assert cluster.state() == RIGHT


def test_the_schema_of_a_real_cluster_is_put_right(cluster: Cluster) -> None:
    cluster.deploy()
    cluster.sql("ALTER SCHEMA public OWNER TO postgres", "mattermost")
    assert cluster.deploy()
    assert cluster.state() == RIGHT


def test_rights_that_were_revoked_from_the_owner_come_back(cluster: Cluster) -> None:
    cluster.deploy()
    cluster.sql("CREATE TABLE revoked (id int); CREATE TABLE whole (id int)", "mattermost")
    cluster.deploy()
    cluster.sql("REVOKE ALL ON SCHEMA public FROM mattermost, public", "mattermost")
    cluster.sql("REVOKE INSERT ON revoked FROM mattermost", "mattermost")
    state = cluster.state()
    assert state.withheld == (
        "GRANT ALL ON SCHEMA public TO mattermost;",
        "GRANT ALL ON TABLE public.revoked TO mattermost;",
    )
    (change,) = database._explained(QUESTION, state, UNIT)
    assert change.found == "has no right to all of its own: SCHEMA public, TABLE public.revoked"
    assert cluster.deploy()
    assert cluster.state() == RIGHT
    cluster.sql("DROP TABLE revoked, whole", "mattermost")


def test_tables_of_others_come_back_to_the_role(cluster: Cluster) -> None:
    """As after a restore by the superuser; what hangs on a table goes with it."""
    cluster.deploy()
    cluster.sql(
        'CREATE TABLE "T x" (id serial, name text); CREATE VIEW v AS SELECT 1 AS one; '
        "CREATE SEQUENCE s; CREATE MATERIALIZED VIEW m AS SELECT 1 AS one",
        "mattermost",
    )
    state = cluster.state()
    assert sorted(state.of_others) == [
        'ALTER TABLE public."T x" OWNER TO mattermost;',
        "ALTER TABLE public.m OWNER TO mattermost;",
        "ALTER TABLE public.s OWNER TO mattermost;",
        "ALTER TABLE public.v OWNER TO mattermost;",
    ]
    (change,) = database._explained(QUESTION, state, UNIT)
    assert change.subject.endswith(" and 1 more")
    assert cluster.deploy()
    assert cluster.state() == RIGHT
    cluster.sql(
        'DROP VIEW v; DROP TABLE "T x"; DROP SEQUENCE s; DROP MATERIALIZED VIEW m', "mattermost"
    )


@pytest.mark.parametrize("parameter", ["work_mem = 1MB", "max_connections = 33"])
def test_a_line_that_is_read_after_our_file_is_commented_out(
    cluster: Cluster, parameter: str
) -> None:
    cluster.deploy()
    file = cluster.data / "postgresql.conf"
    before = file.read_text()
    with file.open("a") as appended:
        appended.write(f"log_connections = off\n{parameter} # by hand\n")
    cluster.control("restart")
    (line,) = cluster.state().later
    assert (line.file, line.parameter) == (str(file), parameter.split(maxsplit=1)[0])
    told = list(database._explained(QUESTION, cluster.state(), UNIT))
    assert f"line {line.number} of {file}" in told[0].found
    assert len(told) == 2, told
    assert cluster.deploy()
    cluster.control("restart")
    assert cluster.state() == RIGHT
    kept = f"log_connections = off\n# {database.ELSEWHERE}: {parameter} # by hand\n"
    assert file.read_text() == before + kept
    file.write_text(before)


def test_a_file_that_was_not_read_is_read_by_a_reload(cluster: Cluster) -> None:
    cluster.deploy()
    before = cluster.parameters.read_text()
    cluster.parameters.write_text(before.replace("5MB", "6MB"))
    assert cluster.state().not_in_force == ("work_mem",)
    cluster.parameters.write_text(before.replace("= 30", "= 33"))
    unread = cluster.state()
    assert unread.need_restart == ("max_connections",)
    assert unread.pending_restart == (), "nobody has loaded it"
    cluster.parameters.write_text(f"{before}wal_level = logical\n")
    assert cluster.state().pending_restart == ()
    cluster.sql("SELECT pg_reload_conf()")
    wait_until(lambda: cluster.state().pending_restart == ("wal_level",), 5)
    cluster.parameters.write_text(before)
    # Until it starts anew, PostgreSQL says of what is gone again that it is pending.
    cluster.control("restart")
    assert cluster.state() == RIGHT
    cluster.parameters.write_text(before)
    assert cluster.state() == RIGHT


def test_before_postgresql_15_the_version_is_that_of_the_collation(cluster: Cluster) -> None:
    """No C library of another version is at hand: a real server takes question and repair."""
    cluster.deploy()
    older = replace(cluster.question, major=14)
    asked = local.ask_here(older, cluster.programs)
    assert asked == RIGHT
    (reindex, refresh) = database._inside(older, replace(RIGHT, collation=("2.31", "2.36")))
    assert reindex == "REINDEX DATABASE CONCURRENTLY mattermost;"
    cluster.sql("CREATE COLLATION own (provider = libc, locale = 'C')", "mattermost")
    cluster.sql("UPDATE pg_collation SET collversion = '1' WHERE collname = 'own'", "mattermost")
    psql = (cluster.binaries / "psql", "-h", cluster.folder, "-U", "postgres", "-d", "mattermost")
    named = subprocess.run(
        [*map(str, psql), "-At"],
        input=refresh.replace("\\gexec", ";"),
        capture_output=True,
        text=True,
        check=True,
    )
    assert named.stdout == "ALTER COLLATION own REFRESH VERSION\n"
