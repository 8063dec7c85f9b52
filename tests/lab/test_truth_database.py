"""The plan tells the truth of the database: rights, parameters, locale, port, sort order."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.deployment import Deployment
from tests.lab.hosts import Lab
from tests.lab.truth import MATTERMOST, POSTGRES, heals, plan, sql, tampering


@pytest.fixture(scope="module")
def deployment(
    lab: Lab, release: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    made = Deployment(
        lab, lab.up("truth-database"), tmp_path_factory.mktemp("truth-database"), release
    )
    made.deploy()
    yield made


OURS = "/etc/postgresql/15/main/conf.d/mattermost-host.conf"
TAMPERINGS = {
    "a cluster that no boot starts": tampering(
        "echo disabled >/etc/postgresql/15/main/start.conf",
        {"/etc/postgresql/15/main/start.conf"},
        reloads=set(),
    ),
    "another owner of the database": tampering(
        sql("alter database mattermost owner to postgres"),
        {"the database mattermost belongs to postgres"},
    ),
    "a role that may do more": tampering(
        sql("alter role mattermost createrole createdb"),
        {"the role mattermost has privileges beyond logging in"},
    ),
    "a schema of somebody else": tampering(
        sql("alter schema public owner to postgres", "mattermost"),
        {"the schema public belongs to postgres"},
    ),
    "a parameter by ALTER SYSTEM": tampering(
        sql("alter system set work_mem = '1MB'"), {"the parameter work_mem"}
    ),
    "a parameter by ALTER SYSTEM that needs a restart": tampering(
        sql("alter system set max_connections = 33"), {"the parameter max_connections"}, POSTGRES
    ),
    "a parameter that was reloaded and put back": tampering(
        "file=/etc/postgresql/15/main/conf.d/mattermost-host.conf; cp -p $file /root/aside; "
        "sed -i 's/^work_mem.*/work_mem = 1MB/' $file; systemctl reload postgresql@15-main; "
        "sleep 1; cp -p /root/aside $file",
        {"the parameter work_mem has another value than in our file"},
    ),
    "a parameter in our file that nobody has loaded": tampering(
        f"sed -i 's/^max_connections.*/max_connections = 33/' {OURS}", {OURS}, reloads={POSTGRES}
    ),
    "a parameter in our file that waits for a restart": tampering(
        f"sed -i 's/^max_connections.*/max_connections = 33/' {OURS}; systemctl reload {POSTGRES}",
        {OURS},
        reloads={POSTGRES},
    ),
    "a parameter in our file that the server was started with": tampering(
        f"sed -i 's/^max_connections.*/max_connections = 133/' {OURS}; "
        f"systemctl restart {POSTGRES}",
        {OURS, "max_connections"},
        POSTGRES,
    ),
    "a parameter of the role": tampering(
        sql("alter role mattermost set work_mem = '1MB'"),
        {"ROLE mattermost has parameters of its own"},
    ),
    "a parameter of the database": tampering(
        sql("alter database mattermost set work_mem = '1MB'"),
        {"DATABASE mattermost has parameters of its own"},
    ),
    "a parameter of the role in the database": tampering(
        sql("alter role mattermost in database mattermost set work_mem = '1MB'"),
        {"ROLE mattermost IN DATABASE mattermost has parameters of its own"},
    ),
    "a parameter of every role": tampering(
        sql("alter role all set work_mem = '1MB'"), {"ROLE ALL has parameters of its own"}
    ),
    "another superuser": tampering(
        sql("create role evil superuser login"), {"the role evil is a superuser"}
    ),
    "indexes by another C library": tampering(
        sql("update pg_database set datcollversion = '2.1' where datname = 'mattermost'"),
        {"the database mattermost was sorted by the C library 2.1"},
    ),
    "another port": tampering(
        sql("alter system set port = 5433") + f"; systemctl restart {POSTGRES}",
        {"the parameter port is set outside of our file"},
        POSTGRES,
        MATTERMOST,
    ),
    "a locale that is gone": tampering(
        "rm /usr/lib/locale/locale-archive",
        {"the locale en_US.UTF-8 is missing"},
    ),
    "a database that started without its locale": tampering(
        f"rm /usr/lib/locale/locale-archive; systemctl restart {POSTGRES}",
        {f"{POSTGRES} started without the locale en_US.UTF-8"},
        POSTGRES,
        MATTERMOST,
    ),
}


@pytest.mark.parametrize("what", TAMPERINGS)
def test_of_the_database(deployment: Deployment, what: str) -> None:
    heals(deployment, TAMPERINGS[what])


def test_another_encoding_is_refused_by_name(deployment: Deployment) -> None:
    deployment.host.run(
        f"systemctl stop {MATTERMOST}; "
        + sql("alter database mattermost rename to aside")
        + "; "
        + sql(
            "create database mattermost owner mattermost encoding latin1 "
            "locale 'C' template template0"
        )
    )
    assert "has the encoding LATIN1, and the server needs UTF8" in plan(deployment).found
    assert "dump it (pg_dump mattermost)" in deployment.deploy(check=False).words
    deployment.host.run(
        sql("drop database mattermost") + "; " + sql("alter database aside rename to mattermost")
    )
    deployment.deploy()
    assert plan(deployment).status == 0


def test_a_role_of_somebody_else_comes_in_nowhere(deployment: Deployment) -> None:
    """Even one whose name an account of the host has."""
    deployment.host.run(sql("create role games login superuser; alter role games nosuperuser"))
    tried = "cd /; runuser -u games -- psql -d mattermost -c 'select 1'"
    assert deployment.host.run(tried, check=False).returncode != 0
    assert plan(deployment).status == 0


def test_where_somebody_has_the_port_the_cluster_comes_to_its_own(
    lab: Lab, release: Path, tmp_path: Path
) -> None:
    """Debian gives a cluster the next port then; ours has a socket of the usual number only."""
    host = lab.up("taken")
    host.run(
        "systemd-run --unit=other python3 -c 'import socket, time; "
        'held = socket.create_server(("", 5432)); time.sleep(1e6)\''
    )
    made = Deployment(lab, host, tmp_path, release)
    made.deploy()
    assert "port = 5433" in host.run("cat /etc/postgresql/15/main/postgresql.conf").stdout
    assert plan(made).status == 0
    made.wait_healthy()
