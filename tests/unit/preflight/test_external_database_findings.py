"""What is said of an external PostgreSQL, by what it answered."""

from dataclasses import replace
from typing import Any

import pytest

from mattermost_host.preflight.external_database_findings import (
    DATABASE_CHECKS,
    DatabaseFacts,
    findings,
)
from mattermost_host.preflight.finding import Finding

RIGHT = DatabaseFacts(
    version_num=150018,
    encoding="UTF8",
    collation="en_US.utf8",
    owns_database=True,
    creates=True,
    superuser=False,
    in_recovery=False,
    connections=97,
    role_limit=-1,
    database_limit=-1,
    sslmode="verify-full",
)


def test_right_facts_are_all_ok() -> None:
    assert {finding.verdict for finding in findings(RIGHT, minimum=14, pool=97)} == {"ok"}


def test_every_check_is_listed_by_its_name() -> None:
    found = [finding.name for finding in findings(RIGHT, minimum=14, pool=97)]
    assert ("database-connection", *found) == tuple(DATABASE_CHECKS)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"version_num": 130021},
            Finding(
                "database-version",
                "error",
                "PostgreSQL 13.21",
                "14 or newer",
                "Upgrade the database server, or choose an older release of Mattermost.",
            ),
        ),
        (
            {"encoding": "SQL_ASCII"},
            Finding(
                "database-encoding",
                "error",
                "SQL_ASCII",
                "UTF8",
                "Create the database with ENCODING 'UTF8' TEMPLATE template0; it cannot be "
                "changed.",
            ),
        ),
        (
            {"collation": "C"},
            Finding(
                "database-collation",
                "warning",
                "C",
                "en_US.UTF-8",
                "Names are not sorted as the documentation expects; only a new database changes "
                "that.",
            ),
        ),
        (
            {"owns_database": False, "creates": False},
            Finding(
                "database-privileges",
                "error",
                "the role does not own the database and may not create in schema public",
                "a role that may create in schema public",
                "As a superuser, in that database: ALTER DATABASE … OWNER TO the role; "
                "ALTER SCHEMA public OWNER TO the role.",
            ),
        ),
        (
            {"superuser": True},
            Finding(
                "database-superuser",
                "error",
                "a superuser",
                "a role that owns this database and nothing else",
                "Whoever breaks into Mattermost would own the whole database server: ALTER ROLE … "
                "NOSUPERUSER.",
            ),
        ),
        (
            {"in_recovery": True},
            Finding(
                "database-writable",
                "error",
                "a replica",
                "the primary",
                "Name the address of the primary, or one that follows it.",
            ),
        ),
        (
            {"sslmode": "require"},
            Finding(
                "database-tls",
                "warning",
                "sslmode=require",
                "sslmode=verify-full",
                "A man in the middle could pose as the database: use verify-full.",
            ),
        ),
        (
            {"role_limit": 20},
            Finding(
                "database-connections",
                "error",
                "20 connections for this role",
                "90, the pools of all application hosts",
                "Raise max_connections (or the role's limit), or lower SqlSettings.MaxOpenConns.",
            ),
        ),
    ],
)
def test_each_wrong_fact_is_one_finding(changes: dict[str, Any], expected: Finding) -> None:
    found = findings(replace(RIGHT, **changes), minimum=14, pool=90)
    assert [finding for finding in found if finding.verdict != "ok"] == [expected]
