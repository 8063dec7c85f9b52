"""The component postgres: fresh, converged, one setting at a time."""

import re
from dataclasses import replace

import pytest

from mattermost_host.components import postgres
from mattermost_host.components.postgres import Settings
from mattermost_host.facts.host import HostFacts
from mattermost_host.ops.database_parameters import InEffect
from mattermost_host.ops.database_state import AskDatabase, DatabaseState
from mattermost_host.ops.unit_state import AskUnit
from tests.unit.examples import DEBIAN_12, converged, files_that_differ, mistakes_of, place
from tests.unit.fake_host import Answer, Plan, answering, nothing_installed, plan

OF_UNIT = "/etc/systemd/system/postgresql@15-main.service.d/mattermost-host.conf"
DROP_IN = "/etc/postgresql/15/main/conf.d/mattermost-host.conf"
ACCESS = "/etc/postgresql/15/main/pg_hba.conf"
STARTED_AT_BOOT = "/etc/postgresql/15/main/start.conf"
PARAMETERS = {"shared_buffers": "585MB", "max_connections": "120"}


def _fresh(
    settings: Settings | None = None,
    facts: HostFacts = DEBIAN_12,
    parameters: dict[str, str] | None = None,
    answer: Answer = nothing_installed,
) -> Plan:
    return plan(
        postgres.deploy,
        settings or Settings(),
        facts,
        parameters=parameters or PARAMETERS,
        before_start=("After=wall.service",),
        archive=None,
        hold=None,
        answer=answer,
    )


def test_a_fresh_host() -> None:
    result = _fresh()
    assert result.changed == [
        "PostgreSQL | its unit waits for our settings",
        "PostgreSQL | PostgreSQL 15 is installed",
        "PostgreSQL | settings and access rules are in place",
        "PostgreSQL | PostgreSQL is running",
        "PostgreSQL | role, database and schema belong to Mattermost",
    ]
    assert result.steps[1].shell.endswith(" install postgresql-15")
    assert set(result.written) == {OF_UNIT, DROP_IN, ACCESS, STARTED_AT_BOOT}
    assert result.text(STARTED_AT_BOOT) == "auto\n"
    assert "After=wall.service" in result.text(OF_UNIT)


def test_nothing_starts_it_as_its_package_left_it() -> None:
    lines = _fresh().text(OF_UNIT).splitlines()
    assert {f"AssertPathExists={path}" for path in (DROP_IN, ACCESS)} <= set(lines)


def test_a_converged_host_yields_nothing() -> None:
    assert _fresh(answer=converged(_fresh())).changed == []


def test_parameters_are_a_drop_in_and_the_packages_own_file_stays() -> None:
    assert _fresh().text(DROP_IN).splitlines()[1:] == [
        "port = 5432",
        "listen_addresses = ''",
        "unix_socket_directories = '/var/run/postgresql'",
        "fsync = on",
        "full_page_writes = on",
        "default_transaction_read_only = off",
        f"hba_file = '{ACCESS}'",
        "jit = off",
        "shared_buffers = 585MB",
        "max_connections = 120",
    ]
    assert not any(path.endswith("/postgresql.conf") for path in _fresh().written)


@pytest.mark.parametrize(
    ("by_restart", "setting", "restarts"),
    [(True, "74880", True), (False, "74880", False), (True, "131072", False)],
)
def test_one_parameter_is_one_file_and_a_restart_where_a_reload_does_not_do(
    by_restart: bool, setting: str, restarts: bool
) -> None:
    """The last one: somebody edited the file, and the server never read that."""
    larger = {**PARAMETERS, "shared_buffers": "1GB"}
    fresh = _fresh()
    assert files_that_differ(fresh, _fresh(parameters=larger)) == {DROP_IN}
    (question,) = (asked for asked in fresh.questions if isinstance(asked, AskDatabase))
    running = (InEffect("shared_buffers", by_restart, setting, "8kB"),)
    answers = {question: DatabaseState("l", "mattermost", "UTF8", "mattermost", in_effect=running)}
    result = _fresh(parameters=larger, answer=answering(answers, converged(fresh)))
    verbs = re.findall(r"systemctl (\w+) postgresql@15-main.service", result.shell)
    assert verbs == (["reload", "restart"] if restarts else ["reload"])


@pytest.mark.parametrize("pending", [("shared_buffers",), ("wal_level",)])
def test_what_somebody_wrote_into_our_file_and_loaded_needs_no_restart(
    pending: tuple[str, ...],
) -> None:
    """It waits for one until it is gone from the file; a parameter of another file still waits."""
    larger = {**PARAMETERS, "shared_buffers": "1GB"}
    fresh = _fresh()
    (question,) = (asked for asked in fresh.questions if isinstance(asked, AskDatabase))
    running = (InEffect("shared_buffers", True, "131072", "8kB"),)
    state = DatabaseState(
        "l", "mattermost", "UTF8", "mattermost", pending_restart=pending, in_effect=running
    )
    result = _fresh(parameters=larger, answer=answering({question: state}, converged(fresh)))
    assert ("systemctl restart" in result.shell) is (pending == ("wal_level",))


def test_nobody_comes_in_over_the_network() -> None:
    result = _fresh()
    access = result.entry(ACCESS)
    assert (access.mode, access.user, access.group) == ("640", "postgres", "postgres")
    rules = [line.split() for line in result.text(ACCESS).splitlines() if line[:1] != "#"]
    assert {(rule[0], rule[-1]) for rule in rules} == {("local", "peer")}
    assert postgres.surface(Settings(), place(DEBIAN_12)).ports == ()


def test_a_parameter_that_somebody_overrode_is_reset() -> None:
    fresh = _fresh()
    (question,) = (asked for asked in fresh.questions if isinstance(asked, AskDatabase))
    drifted = DatabaseState("l", "mattermost", "UTF8", "mattermost", ("shared_buffers",))
    result = plan(
        postgres.deploy,
        Settings(),
        DEBIAN_12,
        parameters=PARAMETERS,
        before_start=("After=wall.service",),
        archive=None,
        hold=None,
        answer=answering({question: drifted}, converged(fresh)),
    )
    assert result.changed == ["PostgreSQL | role, database and schema belong to Mattermost"]
    assert result.stdin == "ALTER SYSTEM RESET shared_buffers;"


@pytest.mark.parametrize(
    ("distribution", "release", "major"),
    [
        ("debian", "12", 15),
        ("debian", "13", 17),
        ("ubuntu", "22.04", 14),
        ("ubuntu", "24.04", 16),
    ],
)
def test_the_distributions_own_version(distribution: str, release: str, major: int) -> None:
    facts = replace(DEBIAN_12, distribution=distribution, release=release)
    result = _fresh(facts=facts)
    assert result.step("is installed").shell.endswith(f" install postgresql-{major}")
    (unit,) = postgres.surface(Settings(), place(facts)).units
    assert unit.name == f"postgresql@{major}-main.service"
    units = {asked.unit for asked in result.questions if isinstance(asked, AskUnit)}
    assert units == {unit.name}


def test_pgdg_brings_its_repository_before_its_packages() -> None:
    result = _fresh(Settings(pgdg=True, version=16))
    source = result.text("/etc/apt/sources.list.d/pgdg.sources")
    assert "Signed-By: " in source
    assert result.shell.index("pgdg.sources") < result.shell.index(" install postgresql-16")
    again = plan(
        postgres.deploy,
        Settings(pgdg=True, version=16),
        DEBIAN_12,
        parameters=PARAMETERS,
        before_start=("After=wall.service",),
        archive=None,
        hold=None,
        answer=converged(result),
    )
    assert again.changed == []


def test_an_external_database_shows_nothing_here() -> None:
    settings = Settings(dsn="postgres://mattermost@db.example.com/mattermost?sslmode=verify-full")
    assert not settings.local
    assert postgres.surface(settings, place(DEBIAN_12)).units == ()


def test_wrong_settings() -> None:
    assert mistakes_of(postgres={"version": 9, "pgdg": "please", "host": "db"}) == [
        "postgres.pgdg: found 'please'; input should be a valid boolean",
        "postgres.version: found 9; input should be greater than or equal to 14",
        "postgres.host: found an unknown key; "
        "known keys: ca_certificate, dsn, folders, pgdg, version",
    ]
