"""Role, database and parameters: converging SQL."""

from dataclasses import replace
from pathlib import Path

import pytest

from mattermost_host.ops import database_parameters, database_state
from mattermost_host.ops.database_state import DatabaseState
from tests.unit import local
from tests.unit.fake_host import answering, apply
from tests.unit.ops.databases import QUESTION, RIGHT, UNIT, deploy, planned

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
    assert planned(state).stdin.splitlines() == statements


def test_statements_travel_by_standard_input() -> None:
    step = planned(DatabaseState()).steps[0]
    assert not any(word in step.shell for word in ("CREATE", "ALTER"))
    assert "-d postgres -f -" in step.commands[0]
    assert "-d mattermost -f -" in step.commands[1]


def test_a_parameter_that_waits_for_a_restart_gets_one() -> None:
    waiting = DatabaseState("l", "mattermost", "UTF8", "mattermost", pending_restart=("x",))
    assert planned(waiting).shell == f"systemctl restart {UNIT}"


@pytest.mark.parametrize(("needing", "verb"), [((), "reload"), (("work_mem",), "restart")])
def test_a_parameter_restarts_only_where_a_reload_does_not_do(
    needing: tuple[str, ...], verb: str
) -> None:
    state = replace(RIGHT, overridden=("work_mem",), need_restart=needing)
    assert planned(state).shell.endswith(f"systemctl {verb} {UNIT}")


def test_an_encoding_that_no_statement_repairs_fails_with_the_way_out() -> None:
    (command,) = planned(replace(RIGHT, encoding="SQL_ASCII")).steps[0].commands
    done = local.run(command)
    assert done.returncode == 1
    assert "has the encoding SQL_ASCII" in done.stderr
    assert "pg_dump mattermost" in done.stderr


def test_no_postgresql_is_an_answer_too() -> None:
    assert QUESTION.parse([]) == DatabaseState()


def test_a_run_that_changes_nothing_sends_nothing() -> None:
    assert apply(deploy, answer=answering({QUESTION: RIGHT})).round_trips == 1


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


def _collated(built: str) -> DatabaseState:
    return replace(RIGHT, collation=(built, "2.36"))


def test_indexes_of_another_c_library_are_built_anew_beside_the_old_ones() -> None:
    assert planned(_collated("2.36")).changed == []
    result = planned(_collated("2.31"))
    assert result.stdin.splitlines() == [
        "REINDEX DATABASE CONCURRENTLY mattermost;",
        "ALTER DATABASE mattermost REFRESH COLLATION VERSION;",
    ]
    assert "-d mattermost" in result.shell


@pytest.mark.parametrize(
    ("later", "refused"), [(RIGHT, False), (DatabaseState(answered=False), True)]
)
def test_one_that_was_still_starting_is_asked_again(later: DatabaseState, refused: bool) -> None:
    states = iter((DatabaseState(answered=False), later))
    made = apply(deploy, answer=lambda question: next(states))
    assert ("does not answer" in made.shell) is refused
    assert next(states, None) is None


def test_what_does_not_answer_is_not_called_missing() -> None:
    result = planned(DatabaseState(answered=False))
    assert "t be checked while PostgreSQL does not answer" in result.shell
    assert result.stdin == ""


ALL = ["installed=yes", "role=l", "owner=mattermost", "encoding=UTF8", "closed=false"]


@pytest.mark.parametrize(
    ("lines", "answered"),
    [
        ([*ALL, "answered=yes", "schema=mattermost", "ended=yes"], True),
        ([*ALL, "answered=yes", "schema=mattermost"], False),
        ([*ALL, "answered=yes"], False),
        (ALL, False),
        # Without the database there is nothing inside; one that is closed lets nobody look.
        (["installed=yes", "role=l", "answered=yes"], True),
        ([*ALL[:-1], "closed=true", "answered=yes"], True),
        ([], True),
    ],
)
def test_an_answer_that_ends_in_the_middle_is_none(lines: list[str], answered: bool) -> None:
    """On a busy host psql is ended by its time limit; what it did not say is not missing."""
    assert QUESTION.parse(lines).answered is answered


def test_a_cluster_that_started_without_its_locale_is_restarted() -> None:
    result = planned(DatabaseState(answered=False, locale_refused=True))
    assert result.shell == f"systemctl restart {UNIT}"


def test_the_port_is_the_one_that_the_server_really_has(tmp_path: Path) -> None:
    lock = tmp_path / "postmaster.pid"
    client = database_state.Client(5432, lock_file=str(lock))
    assert local.run(f"{client.find_port} echo $port").stdout == "5432\n"
    lock.write_text("42\n/data\n1700000000\n5433\n/run\n")
    assert local.run(f"{client.find_port} echo $port").stdout == "5433\n"
