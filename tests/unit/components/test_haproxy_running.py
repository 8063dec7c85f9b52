"""The real HAProxy on loopback, with databases and a Patroni that a test plays."""

import re
import socket
import socketserver
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from mattermost_host.certificates.authority import Pair, new_authority, new_leaf
from mattermost_host.components import haproxy
from mattermost_host.components.haproxy import Checks
from mattermost_host.facts.place import Peer
from mattermost_host.support.templates import render
from tests.unit.cluster_examples import DATABASES
from tests.unit.parsers import needs

PATIENCE_S = 15.0


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@dataclass
class Database:
    """A database that greets with its name, and a Patroni that says whether it leads."""

    peer: Peer
    pair: Pair
    checks: Checks
    folder: Path
    leads: bool = False

    @cached_property
    def servers(self) -> list[socketserver.BaseServer]:
        """Both, listening."""
        database = self

        class Patroni(BaseHTTPRequestHandler):
            def do_OPTIONS(self) -> None:
                self.send_response(200 if database.leads and self.path == "/primary" else 503)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None: ...

        class Greeting(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                self.request.sendall(database.peer.name.encode())
                self.request.recv(1)

        rest = ThreadingHTTPServer((self.peer.address, self.checks.rest), Patroni)
        rest.socket = self._tls.wrap_socket(rest.socket, server_side=True)
        greeting = socketserver.ThreadingTCPServer(
            (self.peer.address, self.checks.database), Greeting
        )
        greeting.daemon_threads = True
        return [rest, greeting]

    @property
    def _tls(self) -> ssl.SSLContext:
        file = self.folder / f"{self.peer.name}.pem"
        file.write_text(self.pair.certificate + self.pair.key.get_secret_value())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context

    def start(self) -> None:
        for server in self.servers:
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        for server in self.servers:
            server.shutdown()
            server.server_close()


class Running:
    """HAProxy with three databases."""

    def __init__(self, folder: Path, connections: int = 100) -> None:
        needs("haproxy")
        listen = _free_port()
        self.port = listen
        self.checks = Checks(
            f"127.0.0.1:{listen}", f"unix@{folder}/status.sock", _free_port(), _free_port()
        )
        now = datetime.now(UTC)
        self.authority = new_authority("example", now)
        self.peers = [
            replace(one, private_address=f"127.0.0.{at}") for at, one in enumerate(DATABASES, 2)
        ]
        self.databases = [Database(one, self._pair(one), self.checks, folder) for one in self.peers]
        (folder / haproxy.HOLD).write_text(render("haproxy/hold.lua.j2", hold_s=haproxy.HOLD_S))
        (folder / haproxy.AUTHORITY).write_text(self.authority.certificate)
        text = haproxy.configuration(self.peers, connections, self.checks)
        (folder / "haproxy.cfg").write_text(text)
        self.folder = folder

    def _pair(self, peer: Peer) -> Pair:
        names = peer.certificate_names
        return new_leaf(self.authority, names, datetime.now(UTC), "both", common_name=False)

    def start(self) -> None:
        for one in self.databases:
            one.start()
        command = [needs("haproxy"), "-C", str(self.folder), "-f", "haproxy.cfg", "-db"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        for one in self.databases:
            one.stop()

    def connect(self) -> socket.socket:
        end = time.monotonic() + PATIENCE_S
        while True:
            try:
                return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S)
            except OSError:
                assert time.monotonic() < end
                time.sleep(0.05)

    def greeted_by(self) -> str:
        with self.connect() as line:
            return line.recv(100).decode()


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    made = Running(tmp_path)
    made.start()
    yield made
    made.stop()


def test_a_connection_waits_until_somebody_leads(running: Running) -> None:
    with running.connect() as line:
        line.settimeout(2)
        with pytest.raises(TimeoutError):
            line.recv(100)
        running.databases[1].leads = True
        line.settimeout(PATIENCE_S)
        assert line.recv(100) == b"db2"


def test_sessions_to_a_leader_of_before_end_and_new_ones_reach_the_next(running: Running) -> None:
    running.databases[0].leads = True
    with running.connect() as line:
        assert line.recv(100) == b"db1"
        running.databases[0].leads = False
        running.databases[2].leads = True
        line.settimeout(PATIENCE_S)
        with suppress(ConnectionResetError):
            assert line.recv(100) == b""
    assert running.greeted_by() == "db3"


def test_an_idle_session_to_the_leader_is_probed_within_5_s(running: Running) -> None:
    running.databases[0].leads = True
    with running.connect() as line:
        assert line.recv(100) == b"db1"
        way = ["dst", f"{running.peers[0].address}:{running.checks.database}"]
        command = [needs("ss"), "--no-header", "-tno", "state", "established", *way]
        shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    # Until the next probe: ss writes 4.956 s as "4.956ms", and the 2 h of the kernel as "119min".
    assert re.search(r"keepalive,[0-5](\.\d+)?(sec|ms),", shown), shown


def test_it_answers_about_itself_while_every_connection_is_taken(tmp_path: Path) -> None:
    made = Running(tmp_path, connections=2)
    made.databases[0].leads = True
    made.start()
    try:
        with made.connect() as one, made.connect() as other, made.connect() as waiting:
            assert {one.recv(100), other.recv(100)} == {b"db1"}
            waiting.settimeout(1)
            with pytest.raises(TimeoutError):
                waiting.recv(100)
            asked = haproxy.PROBE.replace(haproxy.STATUS, str(tmp_path / "status.sock"))
            command = ["timeout", "5", "sh", "-c", asked]
            assert subprocess.run(command, check=False).returncode == 0
    finally:
        made.stop()


def _never_trusted(folder: Path, pair: Callable[[Running], Pair]) -> None:
    """A database that says that it leads, with another certificate than its own, gets nobody."""
    made = Running(folder)
    made.databases[0].pair = pair(made)
    made.databases[0].leads = True
    made.start()
    try:
        with made.connect() as line:
            line.settimeout(4)
            with pytest.raises(TimeoutError):
                line.recv(100)
    finally:
        made.stop()


def test_who_has_the_certificate_of_another_host_is_no_leader(tmp_path: Path) -> None:
    _never_trusted(tmp_path, lambda made: made.databases[1].pair)


def test_a_stranger_s_certificate_is_not_trusted(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    other = new_authority("other", now)
    names = DATABASES[0].certificate_names
    _never_trusted(tmp_path, lambda _: new_leaf(other, names, now, "both"))
