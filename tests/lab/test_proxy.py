"""The proxy under the tools that judge proxies, and under what browsers do."""

import base64
import http.client
import json
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mattermost_host.certificates.authority import new_authority, new_leaf
from mattermost_host.verify.api_client import Client, member
from tests.host.outside import Outside
from tests.lab.deployment import BIN, Deployment
from tests.lab.hosts import Lab, LabHost
from tests.lab.shell import run, wait_until

MIB = 1024 * 1024
CBC = "ECDHE-ECDSA-AES128-SHA256:ECDHE-ECDSA-AES256-SHA384:ECDHE-ECDSA-AES256-SHA"
ECHO = """
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Echo(BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({name.lower(): value for name, value in self.headers.items()}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

ThreadingHTTPServer(("127.0.0.1", 8065), Echo).serve_forever()
"""


@pytest.fixture(scope="module", params=["bookworm", "trixie"])
def deployment(
    request: pytest.FixtureRequest,
    lab: Lab,
    release: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Deployment]:
    """A site on each of the two NGINX that spell HTTP/2 differently."""
    host = lab.up(f"proxy-{request.param}", suite=request.param)
    made = Deployment(lab, host, tmp_path_factory.mktemp(request.param), release)
    made.deploy()
    yield made


@pytest.fixture
def proxy(deployment: Deployment) -> Outside:
    trust = ssl.create_default_context(cafile=str(deployment.authority_file))
    return Outside(deployment.host.address, deployment.name, deployment.name, trust)


def test_gixy_finds_nothing(deployment: Deployment, tmp_path: Path) -> None:
    packed = ["tar", "-C", "/etc", "-chf", "-", "nginx"]
    copy = subprocess.run(
        [*deployment.host.ssh(), "--", *packed], capture_output=True, check=True
    ).stdout
    subprocess.run(["tar", "-C", str(tmp_path), "-xf", "-"], input=copy, check=True)
    (tmp_path / "bad.conf").write_text(
        "events {} http { server { server_name a; location / { return 302 https://a$uri; } } }"
    )
    judged = ["-ll", "--format", "json"]
    control = run([str(BIN / "gixy"), *judged, str(tmp_path / "bad.conf")], check=False)
    assert json.loads(control.stdout), "gixy finds nothing anywhere, so no proof"
    found = run([str(BIN / "gixy"), *judged, str(tmp_path / "nginx" / "nginx.conf")], check=False)
    assert json.loads(found.stdout) == []


def test_sslyze_finds_mozillas_intermediate_profile(deployment: Deployment) -> None:
    judged = run(
        [
            str(BIN / "sslyze"),
            "--mozilla_config=intermediate",
            f"--certinfo_ca_file={deployment.authority_file}",
            f"{deployment.name}:443{{{deployment.host.address}}}",
        ],
        check=False,
    )
    assert f"{deployment.name}:443: OK - Compliant" in judged.stdout, judged.stdout
    assert judged.returncode == 0


@pytest.mark.parametrize(
    ("refused", "accepted"),
    [
        (["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"], ["-tls1_2"]),
        (["-tls1", "-cipher", "ALL:@SECLEVEL=0"], ["-tls1_2"]),
        (["-tls1_2", "-cipher", f"{CBC}:@SECLEVEL=0"], ["-tls1_3"]),
    ],
    ids=["TLS 1.1", "TLS 1.0", "CBC"],
)
def test_old_tls_is_refused(
    deployment: Deployment, tmp_path: Path, refused: list[str], accepted: list[str]
) -> None:
    with _lenient_server(tmp_path) as port:
        assert _handshake("127.0.0.1", port, refused), "the probe itself cannot, so no proof"
    assert not _handshake(deployment.host.address, 443, refused)
    assert _handshake(deployment.host.address, 443, accepted)


@contextmanager
def _lenient_server(folder: Path) -> Iterator[int]:
    """A TLS server on this machine that takes everything."""
    now = datetime.now(UTC)
    pair = new_leaf(new_authority("lenient", now), ["localhost"], now)
    (folder / "certificate").write_text(pair.certificate)
    (folder / "key").write_text(pair.key.get_secret_value())
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    lenient = ["-cipher", "ALL:@SECLEVEL=0", "-cert", str(folder / "certificate")]
    command = ["openssl", "s_server", "-quiet", "-accept", f"127.0.0.1:{port}", *lenient]
    with subprocess.Popen([*command, "-key", str(folder / "key")]) as server:
        try:
            wait_until(lambda: _handshake("127.0.0.1", port, []), 10, "s_server answers")
            yield port
        finally:
            server.terminate()


def _handshake(address: str, port: int, options: list[str]) -> bool:
    command = ["openssl", "s_client", "-connect", f"{address}:{port}", *options]
    return run(command, check=False, timeout=30).returncode == 0


def test_http2_is_negotiated(proxy: Outside) -> None:
    assert proxy.agrees_on(["h2", "http/1.1"]) == "h2"
    assert proxy.agrees_on(["http/1.1"]) == "http/1.1"


def test_hsts_of_two_years_and_no_version(proxy: Outside) -> None:
    for path in ("/", "/api/v4/system/ping", "/static/nothing", "/api/v4/users/me"):
        headers = proxy.ask(path).headers
        assert headers["strict-transport-security"] == "max-age=63072000", path
        assert headers["server"] == "nginx"
    plain = proxy.ask("/some/where?x=1", plain=True)
    assert plain.status == 301
    assert plain.headers["location"] == f"https://{proxy.server_name}/some/where?x=1"


@pytest.mark.parametrize(
    ("accepted", "form", "ending"),
    [("gzip", "gzip", "gz"), ("gzip, deflate, br", "br", "br")],
    ids=["gzip", "brotli"],
)
def test_static_files_come_compressed_from_nginx(
    deployment: Deployment, proxy: Outside, accepted: str, form: str, ending: str
) -> None:
    folder = "/opt/mattermost/current/client"
    name = deployment.host.run(f"cd {folder} && ls *.js | head -n 1").stdout.strip()
    answer = proxy.ask(f"/static/{name}", {"Accept-Encoding": accepted})
    assert answer.headers["content-encoding"] == form
    assert answer.headers["vary"] == "Accept-Encoding"
    assert answer.headers["cache-control"] == "max-age=31556926, public"
    assert "x-version-id" not in answer.headers, "that was the server's own"
    packed = base64.b64decode(deployment.host.run(f"base64 {folder}/{name}.{ending}").stdout)
    assert answer.body == packed, "it is the file that was compressed beforehand"
    assert "content-encoding" not in proxy.ask(f"/static/{name}").headers


def test_files_of_plugins_come_from_the_server(deployment: Deployment, proxy: Outside) -> None:
    place = "/var/lib/mattermost/client-plugins/com.example.test"
    deployment.host.run(
        f"install -d -o mattermost {place}; echo 'let a = 1' > {place}/main.js; "
        "systemctl restart mattermost"
    )
    deployment.wait_healthy()
    answer = proxy.ask("/static/plugins/com.example.test/main.js")
    assert (answer.status, answer.body) == (200, b"let a = 1\n")
    assert "x-version-id" in answer.headers, "NGINX does not have it, and must not cache it"


def test_avatars_need_a_session(deployment: Deployment) -> None:
    """NGINX caches none, so nobody gets what another was shown."""
    with deployment.administrator() as administrator, deployment.client() as stranger:
        user = member(administrator.ask("GET", "/users/me", 200), "id")
        administrator.ask("GET", f"/users/{user}/image", 200)
        stranger.ask("GET", f"/users/{user}/image", 401)


def test_largest_upload_passes_and_a_larger_one_is_refused(deployment: Deployment) -> None:
    with deployment.administrator() as administrator:
        channel = _channel(administrator)
        with _upload(deployment, administrator, channel, 99 * MIB) as connection:
            _send(connection, 99 * MIB)
            assert connection.getresponse().status == 201
        with _upload(deployment, administrator, channel, 130 * MIB) as connection:
            answer = connection.getresponse()
            assert (answer.status, answer.headers["Server"]) == (413, "nginx")


def test_uploads_stream_to_the_server(deployment: Deployment) -> None:
    host, size = deployment.host, 40 * MIB
    with deployment.administrator() as administrator:
        channel = _channel(administrator)
        with _upload(deployment, administrator, channel, size) as connection:
            _send(connection, size // 2)
            time.sleep(1)
            assert _buffered(host) == ""
            _send(connection, size - size // 2)
            assert connection.getresponse().status == 201
        # The same look finds the copy that NGINX makes of any other large body.
        with _request(deployment, administrator, "/api/v4/posts", size) as connection:
            _send(connection, size // 2)
            wait_until(lambda: _buffered(host), 10, "NGINX keeps a body of another kind")


def _buffered(host: LabHost) -> str:
    """Files of request bodies that NGINX has open."""
    look = "find /proc/[0-9]*/fd -lname '/var/lib/nginx/body/*' 2>/dev/null"
    return host.run(look, check=False).stdout


def _channel(administrator: Client) -> str:
    """A channel; where there is a team already, its Town Square."""
    team = {"name": "proxy", "display_name": "Proxy", "type": "O"}
    administrator.send("POST", "/teams", json=team)
    answer = administrator.ask("GET", "/teams/name/proxy", 200)
    path = f"/teams/{member(answer, 'id')}/channels/name/town-square"
    return member(administrator.ask("GET", path, 200), "id")


@contextmanager
def _upload(
    deployment: Deployment, client: Client, channel: str, size: int
) -> Iterator[http.client.HTTPSConnection]:
    path = f"/api/v4/files?channel_id={channel}&filename=large.bin"
    with _request(deployment, client, path, size) as connection:
        yield connection


@contextmanager
def _request(
    deployment: Deployment, client: Client, path: str, size: int
) -> Iterator[http.client.HTTPSConnection]:
    """The head of a request whose body has `size` bytes."""
    connection = http.client.HTTPSConnection(deployment.name)
    reached = socket.create_connection((deployment.host.address, 443), timeout=60)
    connection.sock = client.tls.wrap_socket(reached, server_hostname=deployment.name)
    try:
        connection.putrequest("POST", path)
        connection.putheader("Authorization", f"Bearer {client.token}")
        connection.putheader("Content-Length", str(size))
        connection.putheader("Content-Type", "application/octet-stream")
        connection.endheaders()
        yield connection
    finally:
        connection.close()


def _send(connection: http.client.HTTPSConnection, size: int) -> None:
    for _ in range(size // MIB):
        connection.send(b"\0" * MIB)


def test_server_is_told_who_asks(deployment: Deployment, proxy: Outside) -> None:
    """Whoever stands behind the proxy sees the client's address, whatever the client says."""
    host = deployment.host
    mine = run(["ip", "-4", "-o", "addr", "show", deployment.lab.bridge]).stdout.split()[3]
    host.write("/root/echo.py", ECHO)
    host.run("systemctl stop mattermost; systemd-run --unit=echo python3 /root/echo.py")
    lie = {"X-Real-IP": "192.0.2.1", "X-Forwarded-For": "192.0.2.1", "X-Forwarded-Proto": "http"}
    try:
        wait_until(lambda: proxy.ask("/").status == 200, 20, "the echo answers")
        for path in ("/", "/api/v4/files", "/api/v4/websocket", "/static/plugins/x"):
            seen = proxy.ask(path, lie).json()
            assert seen["x-real-ip"] == mine.partition("/")[0], path
            assert seen["x-forwarded-for"] == mine.partition("/")[0], path
            assert seen["x-forwarded-proto"] == "https", path
            assert seen["host"] == deployment.name, path
    finally:
        host.run("systemctl stop echo; systemctl start mattermost")
    deployment.wait_healthy()
