"""A stand-in server that runs for a test, with a private PostgreSQL behind it."""

import http.client
import json
import os
import pwd
import secrets
import shutil
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

START = 30.0  # seconds for a start, on a busy machine
STOP = 15.0  # seconds for a stop
ACCOUNT = "postgres"
"""Whom a superuser runs both as: PostgreSQL refuses root, and root may write everything."""


class NotReady(AssertionError):
    """The server did not come up; the message holds its output."""


def missing() -> str:
    """Why the stand-in can't be run on this machine; empty where it can."""
    if _binaries() is None:
        return "PostgreSQL's initdb is not installed (package postgresql)"
    if os.geteuid() == 0 and not _has_account():
        return f"there is no account {ACCOUNT} to run PostgreSQL as"
    if not Path("/usr/bin/python3").exists():
        return "there is no /usr/bin/python3 for the stand-in"
    return ""


def _binaries() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return found[-1].parent if found else None


def _has_account() -> bool:
    return any(entry.pw_name == ACCOUNT for entry in pwd.getpwall())


def free_port() -> int:
    """A TCP port of loopback that nobody listens on just now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@dataclass
class Cluster:
    """A PostgreSQL of our own on a Unix socket and a loopback port; its superuser is ``admin``."""

    home: Path
    port: int

    @classmethod
    def create(cls, home: Path) -> "Cluster":
        """Make and start it below ``home``, which its account must be able to reach."""
        cluster = cls(home, free_port())
        home.mkdir(mode=0o755)
        if os.geteuid() == 0:
            shutil.chown(home, ACCOUNT)
        cluster._run("initdb", "-U", "admin", "-A", "trust", "-E", "UTF8", "-N", str(cluster.data))
        cluster.start()
        return cluster

    @property
    def data(self) -> Path:
        return self.home / "data"

    def start(self) -> None:
        options = f"-k {self.home} -p {self.port} -h 127.0.0.1 -c fsync=off"
        log = str(self.home / "log")
        self._run("pg_ctl", "-D", str(self.data), "-l", log, "-w", "-o", options, "start")

    def stop(self) -> None:
        """Stop at once, as in a crash; a later start recovers."""
        self._run("pg_ctl", "-D", str(self.data), "-w", "-m", "immediate", "stop")

    def sql(self, statement: str, database: str = "postgres") -> str:
        """What psql prints for one statement, unaligned."""
        where = ["-h", str(self.home), "-p", str(self.port), "-U", "admin", "-d", database]
        return self._run("psql", *where, "-v", "ON_ERROR_STOP=1", "-qAtc", statement)

    def new_database(self) -> str:
        """A database of its own with an owner of the same name."""
        name = f"mm_{secrets.token_hex(4)}"
        self.sql(f"CREATE ROLE {name} LOGIN")
        self.sql(f"CREATE DATABASE {name} OWNER {name} TEMPLATE template0")
        return name

    def data_source(self, database: str) -> str:
        """The DSN over the socket, as its owner."""
        return f"postgres:///{database}?host={self.home}&port={self.port}&user={database}"

    def _run(self, program: str, *arguments: str) -> str:
        binaries = _binaries()
        assert binaries is not None
        switch = ["runuser", "-u", ACCOUNT, "--"] if os.geteuid() == 0 else []
        command = [*switch, str(binaries / program), *arguments]
        output = self.home / f"{program}.out"  # pg_ctl's child keeps a pipe open
        with output.open("w") as file:
            subprocess.run(command, check=True, stdout=file, stderr=file, cwd="/")
        return output.read_text().strip()


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
        archive.extractall(folder, filter="data")
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
