"""Role, database and parameters: converging SQL, tried on a real PostgreSQL where there is one."""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mattermost_host.ops import database, database_parameters, database_state
from mattermost_host.ops.database_state import AskDatabase, DatabaseState
from tests.unit import local
from tests.unit.fake_host import Plan, answering, apply, plan

UNIT = "postgresql@15-main.service"
QUESTION = AskDatabase("mattermost", ("work_mem", "max_connections"), "/etc/ours.conf")
RIGHT = DatabaseState("l", "mattermost", "UTF8", "mattermost")


def _deploy(question: AskDatabase = QUESTION, locale: str = "en_US.UTF-8") -> None:
    database.present(name="it is ours", question=question, locale=locale, unit=UNIT, parameters={})


def _plan(state: DatabaseState) -> Plan:
    return plan(_deploy, answer=answering({QUESTION: state}))


CREATE_DATABASE = (
    "CREATE DATABASE mattermost OWNER mattermost ENCODING 'UTF8' "
    "LC_COLLATE 'en_US.UTF-8' LC_CTYPE 'en_US.UTF-8' TEMPLATE template0;"
)
ONLY_LOGIN = (
    "ALTER ROLE mattermost LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS"
    " CONNECTION LIMIT -1 VALID UNTIL 'infinity';"
)
OWN_DATABASE = "ALTER DATABASE mattermost OWNER TO mattermost;"
OWN_SCHEMA = "ALTER SCHEMA public OWNER TO mattermost;"


@pytest.mark.parametrize(
    ("state", "statements"),
    [
        (RIGHT, []),
        (DatabaseState(), ["CREATE ROLE mattermost LOGIN;", CREATE_DATABASE, OWN_SCHEMA]),
        (DatabaseState("ls", "mattermost", "UTF8", "mattermost"), [ONLY_LOGIN]),
        (DatabaseState("", "mattermost", "UTF8", "mattermost"), [ONLY_LOGIN]),
        (DatabaseState("l", "postgres", "UTF8", "mattermost"), [OWN_DATABASE]),
        (DatabaseState("l", "mattermost", "UTF8", "pg_database_owner"), [OWN_SCHEMA]),
        (
            DatabaseState("l", "mattermost", "UTF8", "mattermost", ("work_mem",)),
            ["ALTER SYSTEM RESET work_mem;"],
        ),
        (
            replace(RIGHT, set_aside=("ALTER ROLE mattermost RESET ALL;",), superusers=('"E"',)),
            ["ALTER ROLE mattermost RESET ALL;", 'ALTER ROLE "E" NOSUPERUSER;'],
        ),
    ],
)
def test_answers_in_statements_out(state: DatabaseState, statements: list[str]) -> None:
    assert _plan(state).stdin.splitlines() == statements


def test_statements_travel_by_standard_input() -> None:
    step = _plan(DatabaseState()).steps[0]
    assert not any(word in step.shell for word in ("CREATE", "ALTER"))
    assert "-d postgres -f -" in step.commands[0]
    assert "-d mattermost -f -" in step.commands[1]


def test_a_parameter_that_waits_for_a_restart_gets_one() -> None:
    waiting = DatabaseState("l", "mattermost", "UTF8", "mattermost", pending_restart=("x",))
    assert _plan(waiting).shell == f"systemctl restart {UNIT}"


@pytest.mark.parametrize(("needing", "verb"), [((), "reload"), (("work_mem",), "restart")])
def test_a_parameter_restarts_only_where_a_reload_does_not_do(
    needing: tuple[str, ...], verb: str
) -> None:
    state = replace(RIGHT, overridden=("work_mem",), need_restart=needing)
    assert _plan(state).shell.endswith(f"systemctl {verb} {UNIT}")


def test_an_encoding_that_no_statement_repairs_fails_with_the_way_out() -> None:
    (command,) = _plan(replace(RIGHT, encoding="SQL_ASCII")).steps[0].commands
    done = local.run(command)
    assert done.returncode == 1
    assert "has the encoding SQL_ASCII" in done.stderr
    assert "pg_dump mattermost" in done.stderr


def test_no_postgresql_is_an_answer_too() -> None:
    assert QUESTION.parse([]) == DatabaseState()


INSIDE = re.compile("ALTER (SCHEMA|TABLE) ")
"""Statements that are for the database, not for the cluster."""


class Cluster:
    """A PostgreSQL of our own, reached by its socket only; gone with the test."""

    def __init__(self, folder: Path, binaries: Path):
        self.folder = folder
        self.binaries = binaries
        self.data = folder / "data"
        self.parameters = folder / "ours.conf"
        self.question = AskDatabase(
            "mattermost", ("work_mem", "max_connections"), str(self.parameters)
        )
        self.programs = folder / "programs"
        # As the superuser, in our folder; both pass peer authentication on a real host.
        reach = f"PGHOST={folder} PGUSER=postgres PATH={binaries}:$PATH"
        local.program(self.programs, "setpriv", f'shift 3; {reach} exec "$@"')
        self.restarts = folder / "restarts"
        local.program(self.programs, "systemctl", f'echo "$*" >>{self.restarts}')

    def run(self, program: str, *arguments: str) -> None:
        owner = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        command = [*owner, str(self.binaries / program), *arguments]
        subprocess.run(command, check=True, cwd="/", capture_output=True)

    def sql(self, statement: str, name: str = "postgres") -> None:
        self.run("psql", "-h", str(self.folder), "-U", "postgres", "-d", name, "-c", statement)

    def control(self, verb: str) -> None:
        log = str(self.folder / "log")
        self.run("pg_ctl", "-D", str(self.data), "-w", "-l", log, "-m", "immediate", verb)

    def state(self) -> DatabaseState:
        state = local.ask_here(self.question, self.programs)
        assert isinstance(state, DatabaseState)
        return state

    def deploy(self) -> bool:
        """Ask, run what follows, and say whether anything was to do."""
        answer = answering({self.question: self.state()})
        (step,) = plan(_deploy, self.question, "C", answer=answer).steps
        commands = iter(step.commands)
        lines = list(step.stdin)
        for command in commands:
            inside = "-d mattermost" in command
            wanted = [line for line in lines if bool(INSIDE.match(line)) == inside]
            done = local.run(command, wanted if "-f -" in command else (), self.programs)
            assert done.returncode == 0, done.stderr
        if self.restarts.exists():
            self.restarts.unlink()
            self.control("restart")
        return step.changes


def real_cluster() -> Iterator[Cluster]:
    """A cluster of our own while it is used; the fixture ``cluster``."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        pytest.skip("PostgreSQL's initdb is not installed on this machine")
    with tempfile.TemporaryDirectory(prefix="mattermost-host-", dir="/tmp") as name:
        made = Cluster(Path(name), found[-1].parent)
        if os.geteuid() == 0:
            shutil.chown(made.folder, "postgres")
        options = ("--encoding=UTF8", "--locale=C", "--auth=trust", "--no-sync", "-U", "postgres")
        made.run("initdb", *options, "-D", str(made.data))
        made.parameters.write_text("work_mem = 5MB\nmax_connections = 30\n")
        with (made.data / "postgresql.conf").open("a") as file:
            file.write(f"listen_addresses = ''\nunix_socket_directories = '{made.folder}'\n")
            file.write(f"fsync = off\ninclude = '{made.parameters}'\n")
        made.control("start")
        try:
            yield made
        finally:
            made.control("stop")


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


def test_a_run_that_changes_nothing_sends_nothing() -> None:
    assert apply(_deploy, answer=answering({QUESTION: RIGHT})).round_trips == 1


@pytest.mark.parametrize(
    ("stated", "setting", "unit", "same"),
    [
        ("1GB", "131072", "8kB", True),
        ("585MB", "74880", "8kB", True),
        ("4MB", "4096", "kB", True),
        ("4MB", "5120", "kB", False),
        ("120", "120", "", True),
        ("1.1", "1.1", "", True),
        ("5min", "300", "s", True),
        ("true", "on", "", True),
        ("", "", "", True),
        ("a b", "c", "", False),
    ],
)
def test_whether_a_parameter_is_in_force(stated: str, setting: str, unit: str, same: bool) -> None:
    assert database_parameters.in_force(stated, setting, unit) is same


def test_a_file_that_was_not_read_is_read_by_a_reload(cluster: Cluster) -> None:
    cluster.deploy()
    before = cluster.parameters.read_text()
    cluster.parameters.write_text(before.replace("5MB", "6MB"))
    assert cluster.state().not_in_force == ("work_mem",)
    cluster.parameters.write_text(before)
    assert cluster.state() == RIGHT


def _collated(built: str) -> DatabaseState:
    return replace(RIGHT, collation=(built, "2.36"))


def test_indexes_of_another_c_library_are_built_anew_beside_the_old_ones() -> None:
    assert _plan(_collated("2.36")).changed == []
    result = _plan(_collated("2.31"))
    assert result.stdin.splitlines() == [
        "REINDEX DATABASE CONCURRENTLY mattermost;",
        "ALTER DATABASE mattermost REFRESH COLLATION VERSION;",
    ]
    assert "-d mattermost" in result.shell


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


def test_what_does_not_answer_is_not_called_missing() -> None:
    result = _plan(DatabaseState(answered=False))
    assert "t be looked at while PostgreSQL does not answer" in result.shell
    assert result.stdin == ""


def test_a_cluster_that_started_without_its_locale_is_restarted() -> None:
    result = _plan(DatabaseState(answered=False, locale_refused=True))
    assert result.shell == f"systemctl restart {UNIT}"


def test_the_port_is_the_one_that_the_server_really_has(tmp_path: Path) -> None:
    lock = tmp_path / "postmaster.pid"
    client = database_state.Client(5432, lock_file=str(lock))
    assert local.run(f"{client.find_port} echo $port").stdout == "5432\n"
    lock.write_text("42\n/data\n1700000000\n5433\n/run\n")
    assert local.run(f"{client.find_port} echo $port").stdout == "5433\n"
