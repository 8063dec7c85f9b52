"""The stand-in server and its PostgreSQL: run for real."""

import json
from pathlib import Path

from tests.standin.cluster import Cluster, free_port
from tests.standin.running import START, Standin, standin, wait_until
from tests.unit.standin.starts import refused

pytest_plugins = ["tests.standin.fixtures"]


def test_no_database_ends_the_start(server: Standin) -> None:
    server.data_source = f"postgres://mm:hunter2@127.0.0.1:{free_port()}/mm?sslmode=disable"
    line = refused(server)
    assert "Failed to ping DB" in line
    assert "connection refused" in line
    assert "hunter2" not in server.output


def test_data_source_that_can_not_be_read_is_not_quoted(server: Standin) -> None:
    server.data_source = "postgres://mm:hunter2#x@127.0.0.1:54/mm"
    assert "percent-encode" in refused(server)
    assert "hunter2" not in server.output


def test_database_that_comes_up_meanwhile_is_picked_up(server: Standin, cluster: Cluster) -> None:
    cluster.stop()
    try:
        server.launch()
        wait_until(lambda: "Failed to ping DB" in server.output, START)
    finally:
        cluster.start()
    wait_until(server.answers, START, lambda: server.output)


def test_schema_public_must_be_ours(server: Standin, cluster: Cluster) -> None:
    name = cluster.new_database()
    cluster.sql(f"ALTER DATABASE {name} OWNER TO admin")
    cluster.sql(f"GRANT ALL ON DATABASE {name} TO {name}")
    server.data_source = cluster.data_source(name)
    assert "permission denied for schema public" in refused(server)


def test_old_postgresql_is_refused(server: Standin, cluster: Cluster) -> None:
    database = server.state.name
    pretended = "SELECT '130014'"
    signature = "public.current_setting(text) RETURNS text LANGUAGE sql"
    cluster.sql(f"CREATE FUNCTION {signature} AS $${pretended}$$", database)
    cluster.sql(f"ALTER ROLE {database} SET search_path = public, pg_catalog")
    line = refused(server)
    assert "PostgreSQL 13 is too old" in line
    assert "140000" in line


def test_two_servers_may_start_at_once_on_one_database(
    home: Path, tree: Path, server: Standin, cluster: Cluster
) -> None:
    with standin(tree, home / f"{server.state.name}_2", server.data_source) as other:
        server.launch()
        other.launch()
        for one in (server, other):
            wait_until(one.answers, START, lambda: server.output + other.output)
    assert (server.output + other.output).count("Applied 7 database migrations") == 1
    tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
    assert int(cluster.sql(tables, server.state.name)) >= 24


def test_ping_knows_nothing_of_a_lost_database_unless_asked(
    server: Standin, cluster: Cluster
) -> None:
    server.start()
    status = "/api/v4/system/ping?get_server_status=true"
    assert server.get(status).json()["database_status"] == "OK"
    cluster.stop()
    try:
        assert server.get("/api/v4/system/ping").status_code == 200
        answer = server.get(status)
        assert answer.status_code == 500
        assert answer.json()["database_status"] == "UNHEALTHY"
        assert answer.json()["filestore_status"] == "OK"
    finally:
        cluster.start()
    assert server.get(status).status_code == 200


def test_password_of_the_database_appears_nowhere(server: Standin, cluster: Cluster) -> None:
    name = server.state.name
    where = f"127.0.0.1:{cluster.port}/{name}?sslmode=disable&connect_timeout=10"
    server.data_source = f"postgres://{name}:hunter2%23x@{where}"
    server.start()
    assert server.get("/api/v4/system/ping?get_server_status=true").status_code == 200
    log = (server.state / "logs" / "mattermost.log").read_text()
    assert "hunter2" not in server.output + log + server.config.read_text()


def test_its_settings_may_be_a_row_of_the_database(server: Standin, cluster: Cluster) -> None:
    server.start()
    server.end()
    tree = json.loads(server.config.read_text())
    tree["TeamSettings"]["SiteName"] = "By the database"
    text = json.dumps(tree).replace("'", "''")
    row = f"INSERT INTO configurations VALUES ('one', '{text}', 1, true)"
    cluster.sql(row, server.state.name)
    server.start(MM_CONFIG=server.data_source)
    client = server.get("/api/v4/config/client?format=old").json()
    assert client["SiteName"] == "By the database"
    cluster.sql("UPDATE configurations SET active = false", server.state.name)
    server.end()
    assert "the database has none that is active" in refused(server)
