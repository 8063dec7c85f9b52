"""An external PostgreSQL: a real one on loopback with TLS is asked, directly and through ssh."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from pydantic import SecretStr
from pyinfra.api.host import Host

from mattermost_host.certificates.authority import Pair, new_authority, new_leaf
from mattermost_host.engine import tunnel
from mattermost_host.facts.file_text import FileText
from mattermost_host.knowledge.dsn import Dsn
from mattermost_host.preflight import external_database as database_check
from mattermost_host.preflight.external_database import check_database
from mattermost_host.preflight.finding import Finding
from tests.unit.ssh_server import GEVENT, ForwardingServer, SshSite, local_host


@dataclass(frozen=True)
class Cluster:
    """A private PostgreSQL on loopback."""

    port: int
    authority: Pair

    def dsn(self, parameters: str, user: str = "mmuser", database: str = "mattermost") -> Dsn:
        return Dsn.parse(f"postgres://{user}@localhost:{self.port}/{database}?{parameters}")


PREPARATION = """
CREATE ROLE mmuser LOGIN PASSWORD 'right' CONNECTION LIMIT 50;
CREATE ROLE guest LOGIN PASSWORD 'right';
CREATE ROLE outsider LOGIN PASSWORD 'right';
CREATE ROLE boss LOGIN SUPERUSER PASSWORD 'right';
CREATE DATABASE mattermost OWNER mmuser TEMPLATE template0;
"""
ACCESS = """
local all all trust
hostssl all outsider 127.0.0.1/32 reject
hostssl all all 127.0.0.1/32 scram-sha-256
"""


def _binaries() -> Path | None:
    candidates = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)
    found = shutil.which("initdb")
    return candidates[0].parent if candidates else Path(found).parent if found else None


def _as_owner(*command: str, text: str = "") -> None:
    """Run as the postgres user where we are root, whom PostgreSQL refuses."""
    prefix = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    subprocess.run(
        [*prefix, *command], check=True, input=text, text=True, capture_output=True, cwd="/"
    )


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    binaries = _binaries()
    if binaries is None:
        pytest.skip("PostgreSQL's initdb is not installed on this machine")
    now = datetime.now(UTC)
    authority = new_authority("test", now - timedelta(minutes=1))
    with (
        tempfile.TemporaryDirectory(prefix="mattermost-host-", dir="/tmp") as name,
        socket.create_server(("127.0.0.1", 0)) as probe,
    ):
        folder, port = Path(name), probe.getsockname()[1]
        probe.close()
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres")
        data = folder / "data"
        encoding = ["--encoding=UTF8", "--locale=C", "--auth=trust", "--no-sync"]
        _as_owner(str(binaries / "initdb"), *encoding, "-U", "postgres", "-D", str(data))
        _configure(data, new_leaf(authority, ["localhost"], now), port)
        control = [str(binaries / "pg_ctl"), "-D", str(data), "-w"]
        _as_owner(*control, "-l", str(folder / "log"), "start")
        try:
            ask = [str(binaries / "psql"), "-U", "postgres", "-h", str(data), "-p", str(port)]
            _as_owner(*ask, "-v", "ON_ERROR_STOP=1", text=PREPARATION)
            yield Cluster(port, authority)
        finally:
            _as_owner(*control, "-m", "immediate", "stop")


def _configure(data: Path, leaf: Pair, port: int) -> None:
    key = leaf.key.get_secret_value()
    settings = (
        f"port = {port}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = '{data}'\n"
        "ssl = on\nfsync = off\n"
    )
    for name, content in (
        ("server.crt", leaf.certificate),
        ("server.key", key),
        ("postgresql.auto.conf", settings),
        ("pg_hba.conf", ACCESS),
    ):
        path = data / name
        path.touch(mode=0o600)
        path.write_text(content)
        if os.geteuid() == 0:
            shutil.chown(path, "postgres", "postgres")


@pytest.fixture(params=["this machine", "ssh"])
def host(request: pytest.FixtureRequest) -> Iterator[Host]:
    if request.param == "ssh":
        site = SshSite(ForwardingServer())
        yield site.host
        site.close()
    else:
        yield local_host()


def _check(
    host: Host, cluster: Cluster, dsn: Dsn, password: str | None = "right", authority: str = ""
) -> dict[str, Finding]:
    found = check_database(
        host,
        dsn,
        SecretStr(password) if password else None,
        authorities=authority or cluster.authority.certificate,
        minimum=14,
        pool=50,
    )
    return {finding.name: finding for finding in found}


def test_real_database_answers(host: Host, cluster: Cluster) -> None:
    found = _check(host, cluster, cluster.dsn("sslmode=verify-full&sslrootcert=/etc/ca.pem"))
    wrong = {name: finding.found for name, finding in found.items() if finding.verdict != "ok"}
    assert wrong == {"database-collation": "C"}
    assert found["database-version"].found.startswith("PostgreSQL 1")
    assert found["database-tls"].found == "sslmode=verify-full"
    assert found["database-connections"].found == "50 connections for this role"
    assert found["database-privileges"].found == (
        "the role owns the database and may create in schema public"
    )


def test_role_without_privileges_and_superuser(host: Host, cluster: Cluster) -> None:
    guest = _check(host, cluster, cluster.dsn("sslmode=require", user="guest"))
    # Before PostgreSQL 15 everybody could create in schema public.
    version = int(guest["database-version"].found.split()[1].split(".")[0])
    assert guest["database-privileges"].verdict == ("error" if version >= 15 else "ok")
    assert guest["database-tls"].verdict == "warning"
    boss = _check(host, cluster, cluster.dsn("sslmode=require", user="boss"))
    assert boss["database-superuser"].verdict == "error"


def _refusal(found: dict[str, Finding]) -> tuple[str, str]:
    assert list(found) == ["database-connection"]
    assert found["database-connection"].verdict == "error"
    return found["database-connection"].found, found["database-connection"].remedy


def test_wrong_password(host: Host, cluster: Cluster) -> None:
    found = _refusal(_check(host, cluster, cluster.dsn("sslmode=verify-full"), "hunter2"))
    assert found == (
        f'localhost:{cluster.port} answered: password authentication failed for user "mmuser"',
        "Correct database_password in the secrets file, or the role's password.",
    )


def test_no_password(host: Host, cluster: Cluster) -> None:
    found, remedy = _refusal(_check(host, cluster, cluster.dsn("sslmode=verify-full"), None))
    assert "password" in found
    assert remedy == "Correct database_password in the secrets file, or the role's password."


def test_no_such_database(host: Host, cluster: Cluster) -> None:
    dsn = cluster.dsn("sslmode=verify-full", database="chat")
    found, remedy = _refusal(_check(host, cluster, dsn))
    assert found == f'localhost:{cluster.port} answered: database "chat" does not exist'
    assert remedy.startswith("Create it: CREATE DATABASE")


def test_host_not_allowed(host: Host, cluster: Cluster) -> None:
    dsn = cluster.dsn("sslmode=verify-full", user="outsider")
    found, remedy = _refusal(_check(host, cluster, dsn))
    assert "pg_hba.conf rejects connection" in found
    assert "hostssl DATABASE ROLE ADDRESS/32 scram-sha-256" in remedy


def test_other_authority_is_not_trusted(host: Host, cluster: Cluster) -> None:
    other = new_authority("other", datetime.now(UTC)).certificate
    for mode in ("verify-full", "verify-ca", "require"):
        dsn = cluster.dsn(f"sslmode={mode}&sslrootcert=/etc/ca.pem")
        found, _ = _refusal(_check(host, cluster, dsn, authority=other))
        assert "its TLS is not trusted: unable to get local issuer certificate" in found


def test_name_is_verified_in_mode_verify_full_only(host: Host, cluster: Cluster) -> None:
    dsn = replace(cluster.dsn("sslmode=verify-full"), host="127.0.0.1")
    found, _ = _refusal(_check(host, cluster, dsn))
    assert "IP address mismatch, certificate is not valid for '127.0.0.1'" in found
    dsn = replace(cluster.dsn("sslmode=verify-ca"), host="127.0.0.1")
    assert _check(host, cluster, dsn)["database-tls"].found == "sslmode=verify-ca"


def test_server_without_tls_is_refused_by_tls_and_by_access(host: Host, cluster: Cluster) -> None:
    found, remedy = _refusal(_check(host, cluster, cluster.dsn("sslmode=disable")))
    assert "no encryption" in found
    assert "hostssl" in remedy


def test_nothing_listens(host: Host, cluster: Cluster) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    dsn = replace(cluster.dsn("sslmode=verify-full"), port=port)
    found, remedy = _refusal(_check(host, cluster, dsn))
    assert found.startswith(f"localhost:{port}: it cannot be reached")
    assert remedy == (
        f"Let {host.name} reach localhost:{port}: name, route, firewall, listen_addresses."
    )


def test_server_that_says_nothing_is_given_up(
    host: Host, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tunnel, "TIMEOUT_S", 1)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        dsn = replace(cluster.dsn("sslmode=verify-full"), port=listener.getsockname()[1])
        found, _ = _refusal(_check(host, cluster, dsn))
    assert "timed out" in found


def test_server_that_falls_silent_within_tls_is_given_up(
    host: Host, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tunnel, "TIMEOUT_S", 1)
    monkeypatch.setattr(database_check, "QUERY", "SELECT pg_sleep(3)")
    found, _ = _refusal(_check(host, cluster, cluster.dsn("sslmode=verify-full")))
    assert found == f"localhost:{cluster.port}: The read operation timed out"


@pytest.mark.parametrize("contents", ["", "nonsense"])
def test_authorities_come_from_the_host(
    cluster: Cluster, contents: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def answers_of(host: Host, questions: list[FileText]) -> dict[FileText, str]:
        asked.extend(question.path for question in questions)
        return dict.fromkeys(questions, contents)

    monkeypatch.setattr(database_check, "answers_of", answers_of)
    host = cast(Host, SimpleNamespace(name="app1"))
    dsn = cluster.dsn("sslmode=verify-full&sslrootcert=/etc/ca.pem")
    found = check_database(host, dsn, None, authorities=None, minimum=14, pool=1)
    assert asked == ["/etc/ca.pem"]
    assert [finding.found for finding in found] == [
        "authorities that are not certificates in PEM form"
        if contents
        else "no file /etc/ca.pem on app1"
    ]


def test_client_certificate_is_skipped_with_the_reason() -> None:
    dsn = Dsn.parse("postgres://u@db/m?sslmode=verify-full&sslcert=/c&sslkey=/k")
    found = check_database(local_host(), dsn, None, authorities="", minimum=14, pool=1)
    assert found == [
        Finding(
            "database-connection",
            "skipped",
            "a client certificate, whose key never leaves the application host",
        )
    ]


def test_within_pyinfra_threads_are_greenlets(cluster: Cluster) -> None:
    """pyinfra patches threads, sockets and TLS; the same must hold there."""
    chosen = f"[{str(Path(__file__))!r}, '-k', 'real_database or not_trusted or wrong_password']))"
    result = subprocess.run(
        [sys.executable, "-c", GEVENT + chosen],
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "6 passed" in result.stdout
