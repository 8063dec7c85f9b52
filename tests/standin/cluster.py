"""A private PostgreSQL for a test: in a folder, on a Unix socket and a loopback port."""

import os
import pwd
import secrets
import shutil
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path

ACCOUNT = "postgres"
"""Whom a superuser runs both as: PostgreSQL refuses root, and root may write everything."""


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
