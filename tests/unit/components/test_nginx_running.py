"""A real NGINX with our configuration, on loopback: what the server, log and client see."""

import http.client
import http.server
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mattermost_host.components import nginx
from mattermost_host.knowledge import sizing
from mattermost_host.knowledge.families import DEBIAN
from mattermost_host.knowledge.proxy_headers import DROPPED_HEADERS
from mattermost_host.ops import hold
from tests.unit.parsers import needs

TOKEN = "t0pSecretToken"
PATIENT = replace(nginx.LOGINS, client_rate=1, client_burst=3)


AWAY = threading.Event()
"""Set: no request is answered."""


class Echo(http.server.BaseHTTPRequestHandler):
    """Answers each request with the headers that it came with."""

    def answer(self) -> None:
        if self.path.startswith("/silent") or AWAY.is_set():
            self.close_connection = True
            return
        body = str(self.headers).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = answer

    def log_message(self, *_: object) -> None:
        """Nothing."""


class Proxy:
    """The proxy and its log."""

    def __init__(self, port: int, folder: Path):
        self.port, self.log = port, folder / "access.log"
        self._pid = folder / "pid"

    def reload(self) -> None:
        """Let NGINX read its files anew."""
        os.kill(int(self._pid.read_text()), signal.SIGHUP)

    def ask(self, method: str, path: str, headers: dict[str, str] | None = None) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        connection.request(method, path, headers={"Host": "chat.example.com", **(headers or {})})
        answer = connection.getresponse()
        text = f"{answer.headers}{answer.read().decode()}"
        connection.close()
        return answer.status, text

    def logged(self, lines: int) -> str:
        """The log, once it has as many lines: NGINX writes one after it has answered."""
        until = time.monotonic() + 10
        while (text := self.log.read_text()).count("\n") < lines and time.monotonic() < until:
            time.sleep(0.01)
        return text


def _said_by(one: hold.Hold) -> str:
    """The lines that the shell of a hold writes for NGINX."""
    words = re.search(r"printf '%s.n' ('set .*?) >", one.functions().replace("\\\n", ""))
    assert words
    return "\n".join(re.findall(r"'([^']*)'", words[1])) + "\n"


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as one:
        port: int = one.getsockname()[1]
    return port


def _configuration(folder: Path, port: int, upstream: int) -> Path:
    serving = nginx.Serving(
        "chat.example.com",
        "chat.example.com",
        (f"127.0.0.1:{upstream}",),
        "/etc/mattermost-host/tls/fullchain.pem",
        "/etc/mattermost-host/tls/privkey.pem",
        max_file_size_mb=100,
        static_folder=None,
        acme_folder=None,
    )
    site = nginx.site_configuration(
        nginx.Settings(), serving, "1.22.1", ipv6=False, brotli=False, logins=PATIENT
    )
    site = re.sub(r"listen 443 ssl http2", f"listen 127.0.0.1:{port}", site)
    site = re.sub(r"listen 80 ", f"listen 127.0.0.1:{_free_port()} ", site)
    site = re.sub(r" *ssl_certificate.*\n", "", site).replace(hold.FOLDER, f"{folder}/hold")
    main = nginx.main_configuration(sizing.nginx(50), DEBIAN.nginx)
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in kinds)
    for pattern, text in (
        (r"user www-data;", "daemon off;" + (" user root;" if os.geteuid() == 0 else "")),
        (r"worker_rlimit_nofile.*\n", ""),
        (r"worker_connections \d+", "worker_connections 256"),
        (r"pid .*", f"pid {folder}/pid;"),
        (r"/var/log/nginx", str(folder)),
        (r"buffer=32k flush=5s", ""),
        (r"include (mime|modules|sites).*\n", ""),
        (r"include conf\.d/\*\.conf;", f"{temporary}include {folder}/site.conf;"),
    ):
        main = re.sub(pattern, text, main)
    (folder / "site.conf").write_text(site)
    (folder / "nginx.conf").write_text(main)
    return folder / "nginx.conf"


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[Proxy]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    port = _free_port()
    main = _configuration(tmp_path, port, server.server_port)
    command = [needs("nginx"), "-p", str(tmp_path), "-c", str(main)]
    checked = subprocess.run([*command, "-t"], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    running = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        while running.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                continue
        yield Proxy(port, tmp_path)
    finally:
        AWAY.clear()
        running.terminate()
        running.wait()
        server.shutdown()
        server.server_close()


def test_what_a_client_claims_of_its_way_is_dropped(proxy: Proxy) -> None:
    claimed = dict.fromkeys(DROPPED_HEADERS, TOKEN)
    claimed |= {"X-Real-IP": TOKEN, "X-Forwarded-For": TOKEN, "X-Forwarded-Proto": TOKEN}
    for path in ("/", "/api/v4/websocket", "/api/v4/files", "/api/v4/users/me"):
        status, text = proxy.ask("GET", path, claimed)
        assert status == 200
        assert TOKEN not in text
        assert "X-Real-IP: 127.0.0.1" in text


@pytest.mark.parametrize(
    "path",
    [
        f"/api/v4/users/me?access_token={TOKEN}",
        f"/reset_password_complete?token={TOKEN}",
        f"/login/one_time_link?t={TOKEN}",
        f"/oauth/gitlab/complete?code={TOKEN}&state=x",
        f"/files/abc/public?h={TOKEN}",
        f"/hooks/{TOKEN}",
        f"/%68ooks/{TOKEN}",
        f"//hooks/commands/{TOKEN}",
        f"/hooks/commands/{TOKEN}?x=1",
        f"/api/v4/teams/invite/{TOKEN}",
        f"/x%3Ftoken={TOKEN}",
    ],
)
def test_no_token_in_the_log(proxy: Proxy, path: str) -> None:
    referer = f"https://chat.example.com/landing?token={TOKEN}#{TOKEN}"
    proxy.ask("GET", path, {"Referer": referer})
    proxy.ask("GET", "/api/v4/system/ping?x=1", {"Referer": f"https://u:{TOKEN}@x/"})
    text = proxy.logged(2)
    assert TOKEN not in text
    assert '"GET /api/v4/system/ping HTTP/1.1" 200' in text
    assert '"https://chat.example.com"' in text


def test_no_token_in_the_error_log_and_what_fails_in_the_other(proxy: Proxy) -> None:
    headers = {"Referer": f"https://chat.example.com/?token={TOKEN}"}
    assert proxy.ask("GET", f"/silent?access_token={TOKEN}", headers)[0] == 503
    too_large = {"Content-Length": str(2**40), **headers}
    assert proxy.ask("POST", f"/api/v4/files?access_token={TOKEN}", too_large)[0] == 413
    assert '"GET /silent HTTP/1.1" 503' in proxy.logged(2)
    assert TOKEN not in proxy.log.with_name("error.log").read_text() + proxy.log.read_text()
    assert re.search(r' 503 .* [0-9.]+ "502"\n', proxy.log.read_text())


@pytest.mark.parametrize(
    ("method", "path", "kind"),
    [
        ("GET", "/silent", "text/html; charset=utf-8"),
        ("POST", "/silent", "text/html; charset=utf-8"),
        ("GET", "/api/v4/silent", "application/json"),
        ("POST", "/api/v4/users/login/silent", "application/json"),
        ("POST", "/api/v4/files/silent", "application/json"),
        ("GET", "/api/v4/websocket", "application/json"),
    ],
)
def test_a_server_that_is_away_is_never_a_bare_502(
    proxy: Proxy, method: str, path: str, kind: str
) -> None:
    AWAY.set()
    status, text = proxy.ask(method, path)
    assert status == 503
    assert f"Retry-After: {nginx.AWAY_S}\n" in text
    assert f"Content-Type: {kind}\n" in text
    assert "Strict-Transport-Security" in text
    assert ("Mattermost is being maintained" in text, "no-store" in text) == (True, True)
    if kind == "application/json":
        assert json.loads(text.partition("\n\n")[2])["status_code"] == 503


def test_connections_are_closed_while_the_server_is_about_to_stop(
    tmp_path: Path, proxy: Proxy
) -> None:
    """What NGINX reads besides, then."""
    assert "Connection: close" not in proxy.ask("GET", "/headers")[1].partition("\n\n")[2]
    folder = tmp_path / "hold"
    folder.mkdir()
    (folder / "closing.conf").write_text(_said_by(hold.Hold(("127.0.0.1", 8065), "www-data")))
    proxy.reload()
    until = time.monotonic() + 10
    while "Connection: close" not in proxy.ask("GET", "/headers")[1].partition("\n\n")[2]:
        assert time.monotonic() < until
        time.sleep(0.1)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/v4/users/login"),
        ("POST", "/api/v4/users/login/"),
        ("POST", "//api/v4/users/login"),
        ("POST", "/api/v4/users/login/cws"),
        ("POST", "/api/v4/users/login/switch"),
        ("POST", "/api/v4/users/login/desktop_token"),
        ("POST", "/api/v4/users/login/sso/code-exchange"),
        ("POST", "/api/v4/users/password/reset"),
        ("POST", "/api/v4/users/password/reset/send"),
        ("POST", "/api/v4/users/email/verify/send"),
        ("PUT", "/api/v4/users/abcdefghijklmnopqrstuvwxyz/password"),
        ("PUT", "/api/v4/users/me/password"),
        ("POST", "/api/v4/users"),
        ("POST", "/api/v4/users?t=1"),
    ],
)
def test_log_ins_are_limited(proxy: Proxy, method: str, path: str) -> None:
    answers = [proxy.ask(method, path) for _ in range(6)]
    assert [status for status, _ in answers[:2]] == [200, 200]
    refused = [text for status, text in answers if status == 429]
    assert refused
    assert "Retry-After: 5" in refused[0]
    assert '"status_code":429' in refused[0]
    assert "Strict-Transport-Security" in refused[0]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/v4/users/login"),
        ("GET", "/api/v4/users"),
        ("GET", "/api/v4/users/email/a@b.example"),
        ("POST", "/api/v4/users/logout"),
        ("POST", "/api/v4/users/ids"),
        ("POST", "/api/v4/users/search"),
        ("PUT", "/api/v4/users/me/patch"),
        ("POST", "/api/v4/posts"),
        ("GET", "/login"),
    ],
)
def test_nothing_else_is_limited(proxy: Proxy, method: str, path: str) -> None:
    assert {proxy.ask(method, path)[0] for _ in range(12)} == {200}
