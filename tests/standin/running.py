"""A stand-in server that runs for a test, with a private PostgreSQL behind it."""

import http.client
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
import websocket

from tests.standin.cluster import ACCOUNT, free_port

START = 30.0  # seconds for a start, on a busy machine
STOP = 30.0  # seconds for a stop, which takes up to 15 shortly after a start


class NotReady(AssertionError):
    """The server did not come up; the message holds its output."""


def _account() -> dict[str, Any]:
    """Arguments of Popen that give up the rights of root."""
    if os.geteuid() != 0:
        return {}
    entry = pwd.getpwnam(ACCOUNT)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def give_away(path: Path) -> None:
    """Let the server own ``path``."""
    if os.geteuid() == 0:
        shutil.chown(path, ACCOUNT, ACCOUNT)


@dataclass
class Standin:
    """One unpacked release, its state, and the process."""

    tree: Path
    state: Path
    data_source: str
    port: int = field(default_factory=free_port)
    environment: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def config(self) -> Path:
        return self.state / "config.json"

    @property
    def local_socket(self) -> Path:
        return self.state / "local.socket"

    @property
    def output(self) -> str:
        return (self.state / "output").read_text()

    def variables(self) -> dict[str, str]:
        """The environment of the process: nothing of the caller's."""
        return {
            "PATH": os.environ["PATH"],
            "MM_CONFIG": str(self.config),
            "MM_SQLSETTINGS_DATASOURCE": self.data_source,
            "MM_SERVICESETTINGS_LISTENADDRESS": f"127.0.0.1:{self.port}",
            "MM_PLUGINSETTINGS_CLIENTDIRECTORY": str(self.state / "client-plugins"),
            "MM_SERVICESETTINGS_ENABLELOCALMODE": "true",
            "MM_SERVICESETTINGS_LOCALMODESOCKETLOCATION": str(self.local_socket),
            **self.environment,
        }

    def launch(self, **environment: str) -> None:
        """Start the process and wait for nothing."""
        self.environment.update(environment)
        with (self.state / "output").open("wb") as output:
            self.process = subprocess.Popen(
                [str(self.tree / "bin" / "mattermost")],
                **_account(),
                cwd=self.state,
                env=self.variables(),
                stdout=output,
                stderr=output,
                # Whoever runs the tests under nohup ignores SIGHUP, and so would the server.
                preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),  # noqa: PLW1509
            )

    def start(self, **environment: str) -> None:
        """Start and wait until it answers."""
        self.launch(**environment)
        process = self.running
        wait_until(lambda: process.poll() is not None or self.answers(), START, lambda: self.output)
        if process.poll() is not None:
            raise NotReady(self.output)

    def answers(self) -> bool:
        """Whether ping says 200."""
        try:
            return self.get("/api/v4/system/ping").status_code == 200
        except requests.ConnectionError:
            return False

    def get(self, path: str, **arguments: Any) -> requests.Response:
        return requests.get(self.url + path, timeout=START, **arguments)

    def post(self, path: str, **arguments: Any) -> requests.Response:
        return requests.post(self.url + path, timeout=START, **arguments)

    def connect(self, **options: Any) -> websocket.WebSocket:
        """A WebSocket of websocket-client's making."""
        address = f"ws://127.0.0.1:{self.port}/api/v4/websocket"
        return websocket.create_connection(address, timeout=START, **options)

    def exit_status(self) -> int:
        """Wait for the end."""
        return self.running.wait(START)

    def signal(self, number: int) -> int:
        """Send a signal and return the exit status, negative for a death by signal."""
        self.running.send_signal(number)
        return self.running.wait(STOP)

    def command(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run bin/``program`` beside the server."""
        variables = {**self.variables(), "MMCTL_LOCAL_SOCKET_PATH": str(self.local_socket)}
        command = [str(self.tree / "bin" / program), *arguments]
        return subprocess.run(
            command,
            **_account(),
            env=variables,
            cwd=self.state,
            capture_output=True,
            text=True,
            check=False,
        )

    def local(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Status and content of a request to the socket of local mode."""
        connection = http.client.HTTPConnection("local", timeout=START)
        connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with closing(connection):
            connection.sock.connect(str(self.local_socket))
            text = None if body is None else json.dumps(body)
            connection.request(method, path, text)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())

    def stored(self, name: str) -> Any:
        """A value of config.json by its documented name."""
        node = json.loads(self.config.read_text())
        for key in name.split("."):
            node = node[key]
        return node

    def end(self) -> None:
        """Kill what still runs."""
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait(STOP)

    @property
    def running(self) -> subprocess.Popen[bytes]:
        assert self.process is not None, "the server was not started"
        return self.process


def unpack(tarball: Path, folder: Path) -> Path:
    """The release tree of a tarball."""
    with tarfile.open(tarball) as archive:
        archive.extractall(folder)  # made by build.py a moment ago; filters came with 3.11.4
    return folder / "mattermost"


@contextmanager
def standin(tree: Path, state: Path, data_source: str) -> Iterator[Standin]:
    """A server that is not started yet and that is gone afterwards."""
    state.mkdir()
    give_away(state)
    server = Standin(tree, state, data_source)
    try:
        yield server
    finally:
        server.end()


def wait_until(
    reached: Callable[[], bool], seconds: float, report: Callable[[], str] = lambda: ""
) -> None:
    """Ask until it is so; NotReady with the report after ``seconds``."""
    end = time.monotonic() + seconds
    while not reached():
        if time.monotonic() > end:
            raise NotReady(f"not reached within {seconds} s\n{report()}")
        time.sleep(0.05)


def sign_up(server: Standin, name: str, password: str, headers: Mapping[str, str]) -> Any:
    """Create a user over HTTP; the answer as it came."""
    user = {"username": name, "password": password, "email": f"{name}@example.invalid"}
    return server.post("/api/v4/users", json=user, headers=dict(headers))
