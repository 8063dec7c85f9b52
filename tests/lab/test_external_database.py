"""A PostgreSQL that is somebody else's: over TLS, by password, and nothing of it on our host."""

import json
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from mattermost_host.certificates.authority import Pair, new_authority, new_leaf
from tests.lab.deployment import Deployment, Run
from tests.lab.hosts import Lab, LabHost

NAME = "postgres.test"
PASSWORD = "A-password-of-the-database's-own $1 \\ %"
DSN = f"postgres://mattermost@{NAME}:5432/mattermost?sslmode=verify-full"
FOLDER = "/etc/postgresql/15/main"


@pytest.fixture(scope="module")
def authority() -> Pair:
    return new_authority("database", datetime.now(UTC))


@pytest.fixture(scope="module")
def server(lab: Lab, authority: Pair) -> LabHost:
    """Another host, with PostgreSQL as its administrator would set it up."""
    host = lab.up("postgres")
    lab.resolve(NAME, host)
    host.run("apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q postgresql")
    pair = new_leaf(authority, [NAME], datetime.now(UTC))
    host.write(f"{FOLDER}/server.crt", pair.certificate)
    host.run(f"umask 077; cat > {FOLDER}/server.key", stdin=pair.key.get_secret_value())
    host.run(f"chown postgres: {FOLDER}/server.*")
    host.write(
        f"{FOLDER}/conf.d/lab.conf",
        "listen_addresses = '*'\npassword_encryption = 'scram-sha-256'\nssl = on\n"
        f"ssl_cert_file = '{FOLDER}/server.crt'\nssl_key_file = '{FOLDER}/server.key'\n"
        "max_connections = 500\n",
    )
    host.write(
        f"{FOLDER}/pg_hba.conf",
        "local all postgres peer\nhostssl mattermost all samenet scram-sha-256\n",
    )
    host.run("systemctl restart postgresql")
    _sql(
        host,
        f"create role mattermost login password {_literal(PASSWORD)};"
        f"create role guest login password {_literal(PASSWORD)};"
        "create database mattermost owner mattermost encoding 'UTF8' template template0;",
    )
    return host


def _sql(host: LabHost, statements: str) -> str:
    """What the superuser's statements answer, one at a time."""
    return host.run(
        "cd / && runuser -u postgres -- psql -XAtq -v ON_ERROR_STOP=1", stdin=statements
    ).stdout


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


@pytest.fixture(scope="module")
def deployment(
    lab: Lab,
    server: LabHost,
    authority: Pair,
    release: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Deployment]:
    """The site, written but not deployed."""
    folder = tmp_path_factory.mktemp("external")
    (folder / "database.pem").write_text(authority.certificate)
    database = {"dsn": DSN, "ca_certificate": str(folder / "database.pem")}
    made = Deployment(lab, lab.up("app"), folder, release, postgres=database)
    _say_password(made, PASSWORD)
    yield made


def _say_password(deployment: Deployment, password: str) -> None:
    """Write it as an operator does: a line of the secrets file."""
    file = deployment.secrets_file
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    kept = [line for line in lines if not line.startswith("database_password")]
    file.touch(mode=0o600)
    file.write_text("\n".join([f"database_password = {json.dumps(password)}", *kept]) + "\n")
    assert tomllib.loads(file.read_text())["database_password"] == password


@contextmanager
def _with(deployment: Deployment, **postgres: Any) -> Iterator[None]:
    """Another `postgres` in the inventory, for a while."""
    right = deployment.site["postgres"]
    deployment.site["postgres"] = {**right, **postgres}
    deployment.write()
    try:
        yield
    finally:
        deployment.site["postgres"] = right
        deployment.write()


def _refused(deployment: Deployment) -> Run:
    """A deploy that must end in the preflight, before anything is touched."""
    listing = "find /etc /opt /usr/local -printf '%p %s %T@\\n' | sort; dpkg-query -W"
    before = deployment.host.run(listing).stdout
    run = deployment.deploy(check=False)
    assert run.status != 0
    assert "nothing was changed" in run.words
    assert "Traceback" not in run.output
    assert deployment.host.run(listing).stdout == before
    for secret in (PASSWORD, "A-password"):
        assert secret not in run.output
    return run


def test_wrong_password_is_refused(deployment: Deployment) -> None:
    _say_password(deployment, "another")
    try:
        said = _refused(deployment).words
    finally:
        _say_password(deployment, PASSWORD)
    assert "password authentication failed" in said
    assert "Correct database_password in the secrets file, or the role's password." in said


def test_authority_of_somebody_else_is_refused(deployment: Deployment, tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    other.write_text(new_authority("other", datetime.now(UTC)).certificate)
    with _with(deployment, ca_certificate=str(other)):
        said = _refused(deployment).words
    assert "its TLS is not trusted" in said
    assert "Name the authority of its certificate" in said


def test_name_that_is_not_in_the_certificate_is_refused(
    deployment: Deployment, server: LabHost
) -> None:
    with _with(deployment, dsn=DSN.replace(NAME, server.address)):
        said = _refused(deployment).words
    assert "its TLS is not trusted" in said
    assert "the host name that stands in it" in said


def test_too_few_privileges_are_refused(deployment: Deployment) -> None:
    with _with(deployment, dsn=DSN.replace("mattermost@", "guest@")):
        said = _refused(deployment).words
    assert "may not create in schema public" in said
    assert "ALTER SCHEMA public OWNER TO the role" in said


def test_connection_without_tls_is_refused_before_any_connection(deployment: Deployment) -> None:
    with _with(deployment, dsn=DSN.replace("verify-full", "disable")):
        run = deployment.deploy(check=False)
    assert run.status != 0
    assert "postgres.dsn" in run.words and "sslmode" in run.words
    assert "Connecting" not in run.output


def test_server_that_is_away_is_refused(deployment: Deployment, server: LabHost) -> None:
    server.run("systemctl stop postgresql")
    try:
        said = _refused(deployment).words
    finally:
        server.run("systemctl start postgresql")
    assert f"{NAME}:5432" in said
    assert "name, route, firewall, listen_addresses" in said


def test_site_works_with_nothing_of_postgresql_on_its_host(
    deployment: Deployment, server: LabHost
) -> None:
    deployment.deploy()
    assert deployment.deploy().changed == ()
    packages = deployment.host.run("dpkg-query -W -f '${Package}\\n' | grep -c postgres || true")
    assert packages.stdout.strip() == "0"
    deployment.verify("--journey")
    used = _sql(
        server,
        "select distinct ssl, version from pg_stat_ssl join pg_stat_activity using (pid) "
        "where usename = 'mattermost'",
    )
    assert used.strip() == "t|TLSv1.3"


def test_password_is_seen_by_nobody(deployment: Deployment) -> None:
    said = deployment.deploy("-vvv", "--diff").output + deployment.verify().output
    readable = deployment.host.run(
        "find /etc /var/lib /var/log /opt/mattermost /run /tmp -xdev -type f -perm -o=r -size -1M "
        "! -path '/var/lib/apt/*' ! -path '/var/lib/dpkg/*' -exec cat {} + "
        "| tr -cd '\\11\\12\\40-\\176'"
    ).stdout
    journal = deployment.host.run("journalctl --no-pager").stdout
    arguments = deployment.host.run("cat /proc/[0-9]*/cmdline | tr '\\0' ' '").stdout
    for text in (said, readable, journal, arguments):
        assert "A-password" not in text


def test_server_outlives_its_database(deployment: Deployment, server: LabHost) -> None:
    before = deployment.started("mattermost.service")
    server.reboot()
    deployment.wait_healthy()
    assert deployment.started("mattermost.service") == before
