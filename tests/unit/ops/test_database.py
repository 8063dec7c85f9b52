"""Role, database and parameters: converging SQL, tried on a real PostgreSQL where there is one."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mattermost_host.ops import database
from mattermost_host.ops.database import AskDatabase, DatabaseState
from tests.unit import local
from tests.unit.fake_host import Plan, answering, apply, plan

UNIT = "postgresql@15-main.service"
QUESTION = AskDatabase("mattermost", 5432, ("work_mem", "max_connections"), "/etc/ours.conf")
RIGHT = DatabaseState("l", "mattermost", "UTF8", "mattermost")


def _deploy(question: AskDatabase = QUESTION, locale: str = "en_US.UTF-8") -> None:
    database.present(name="it is ours", question=question, locale=locale, unit=UNIT)


def _plan(state: DatabaseState) -> Plan:
    return plan(_deploy, answer=answering({QUESTION: state}))


CREATE_DATABASE = (
    "CREATE DATABASE mattermost OWNER mattermost ENCODING 'UTF8' "
    "LC_COLLATE 'en_US.UTF-8' LC_CTYPE 'en_US.UTF-8' TEMPLATE template0;"
)
ONLY_LOGIN = (
    "ALTER ROLE mattermost LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;"
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
    waiting = DatabaseState("l", "mattermost", "UTF8", "mattermost", pending_restart=True)
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


class Cluster:
    """A PostgreSQL of our own, reached by its socket only; gone with the test."""

    def __init__(self, folder: Path, binaries: Path):
        self.folder = folder
        self.binaries = binaries
        self.data = folder / "data"
        self.parameters = folder / "ours.conf"
        self.question = AskDatabase(
            "mattermost", 5432, ("work_mem", "max_connections"), str(self.parameters)
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
            wanted = [line for line in lines if ("SCHEMA" in line) == ("-d mattermost" in command)]
            done = local.run(command, wanted if "-f -" in command else (), self.programs)
            assert done.returncode == 0, done.stderr
        if self.restarts.exists():
            self.restarts.unlink()
            self.control("restart")
        return step.changes


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
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
        'DROP ROLE IF EXISTS "E x"; CREATE ROLE "E x" SUPERUSER',
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


def test_a_run_that_changes_nothing_sends_nothing() -> None:
    assert apply(_deploy, answer=answering({QUESTION: RIGHT})).round_trips == 1
