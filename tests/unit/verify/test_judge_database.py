"""The verification's verdicts on the catalogues of PostgreSQL: every check is seen to fail."""

import shlex
from dataclasses import replace

import pytest

from mattermost_host.knowledge.families import DEBIAN, ENTERPRISE_LINUX
from tests.host import judge_database as judge
from tests.host.questions_database import AskCluster, Cluster, DatabaseRow, Parameter

GOOD = Cluster(
    answered=True,
    role="login",
    database=DatabaseRow("mattermost", "UTF8", "en_US.utf8", "en_US.UTF-8"),
    schema_owner="mattermost",
    peer="mattermost",
    parameters={"shared_buffers": Parameter("512MB", in_force=True)},
    checksums=True,
)
WANTED = {"shared_buffers": "512MB"}


def _database_sentences(cluster: Cluster) -> list[str]:
    return [
        *judge.answers(cluster),
        *judge.peer(cluster, "mattermost"),
        *judge.role(cluster, "mattermost"),
        *judge.database(cluster, "mattermost", "en_US.UTF-8"),
        *judge.addresses(cluster),
        *judge.parameters(cluster, WANTED),
        *judge.checksums(cluster, ENTERPRISE_LINUX.cluster(16)),
    ]


def test_a_good_cluster_holds() -> None:
    assert GOOD.database
    assert _database_sentences(GOOD) == []


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"answered": False}, "expected it answering on its socket, found no answer"),
        ({"peer": None}, "expected role mattermost, found it refused"),
        ({"peer": "postgres"}, "expected role mattermost, found role postgres"),
        ({"role": None}, "found no such role"),
        ({"role": "login super"}, "expected it with LOGIN and nothing else, found login super"),
        ({"role": ""}, "found no attribute at all"),
        ({"database": None}, "database mattermost: expected it there, found no such database"),
        ({"schema_owner": "pg_database_owner"}, "expected mattermost, found pg_database_owner"),
        ({"listens_on": "*"}, "listen_addresses of PostgreSQL: expected none, found *"),
        ({"checksums": False}, "data checksums of PostgreSQL: expected on, found off"),
        ({"parameters": {}}, "expected 512MB, found no line in our file"),
        (
            {"parameters": {"shared_buffers": Parameter("1MB", in_force=True)}},
            "parameter shared_buffers: expected 512MB, found 1MB",
        ),
        (
            {
                "parameters": {
                    "shared_buffers": Parameter("512MB", False, "its value comes from /a")
                }
            },
            "expected 512MB in force, found its value comes from /a",
        ),
        ({"pending_restart": ("shared_buffers",)}, "found it waiting for a restart"),
    ],
)
def test_a_cluster_that_differs_is_named(change: dict[str, object], part: str) -> None:
    [sentence] = _database_sentences(replace(GOOD, **change))  # type: ignore[arg-type]
    assert part in sentence


@pytest.mark.parametrize(
    ("row", "part"),
    [
        (DatabaseRow("postgres", "UTF8", "en_US.UTF-8", "en_US.UTF-8"), "owner of database"),
        (DatabaseRow("mattermost", "SQL_ASCII", "en_US.UTF-8", "en_US.UTF-8"), "encoding of"),
        (DatabaseRow("mattermost", "UTF8", "C", "en_US.UTF-8"), "collation of database"),
        (DatabaseRow("mattermost", "UTF8", "en_US.UTF-8", "C"), "character type of database"),
    ],
)
def test_a_database_that_differs_is_named(row: DatabaseRow, part: str) -> None:
    [sentence] = _database_sentences(replace(GOOD, database=row))
    assert sentence.startswith(part)


def test_the_catalogue_is_read() -> None:
    lines = [
        "role| login createdb",
        "database|mattermost|UTF8|en_US.UTF-8|en_US.UTF-8",
        "parameter|work_mem|8MB|f||/var/lib/postgresql/15/main/postgresql.auto.conf|8192|kB",
        "parameter|shared_buffers|1GB|t||/ours|16384|8kB",
        "parameter|max_connections|120|t||/ours|120|",
        "pending|shared_buffers",
        "checksums|on",
        "listens|",
        "schema|mattermost",
        "peer|mattermost",
    ]
    source = "its value comes from /var/lib/postgresql/15/main/postgresql.auto.conf"
    assert AskCluster("mattermost", 5432, "conf.d/x.conf").parse(lines) == Cluster(
        answered=True,
        role="login createdb",
        database=DatabaseRow("mattermost", "UTF8", "en_US.UTF-8", "en_US.UTF-8"),
        schema_owner="mattermost",
        peer="mattermost",
        parameters={
            "work_mem": Parameter("8MB", False, source),
            "shared_buffers": Parameter("1GB", False, "16384 of 8kB"),
            "max_connections": Parameter("120", True),
        },
        pending_restart=("shared_buffers",),
        checksums=True,
    )


def test_a_cluster_that_packages_made_is_as_they_made_it() -> None:
    without = replace(GOOD, checksums=False)
    assert list(judge.checksums(without, DEBIAN.cluster(15))) == []


def test_a_silent_postgresql_is_named() -> None:
    silent = AskCluster("mattermost", 5432, "conf.d/x.conf").parse([])
    assert len(_database_sentences(silent)) == 6


def test_each_statement_is_asked_on_its_own() -> None:
    """psql before 15 prints only the last result of several."""
    catalogue, *_ = AskCluster("x", 5432, "x.conf").script().splitlines()
    statements = [word for word in shlex.split(catalogue) if word.startswith("select ")]
    assert len(statements) > 3
    assert not [one for one in statements if "; select" in one]
