"""The operation on a database, and a PostgreSQL of our own to try it on."""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from mattermost_host.ops import database
from mattermost_host.ops.database_state import AskDatabase, DatabaseState
from tests.unit import local
from tests.unit.fake_host import Plan, answering, plan

UNIT = "postgresql@15-main.service"


QUESTION = AskDatabase("mattermost", ("work_mem", "max_connections"), "/etc/ours.conf")


RIGHT = DatabaseState("l", "mattermost", "UTF8", "mattermost")


def deploy(question: AskDatabase = QUESTION, locale: str = "en_US.UTF-8") -> None:
    database.present(name="it is ours", question=question, locale=locale, unit=UNIT, parameters={})


def planned(state: DatabaseState) -> Plan:
    return plan(deploy, answer=answering({QUESTION: state}))


INSIDE = re.compile("ALTER (SCHEMA|TABLE) |GRANT ")
"""Statements that are for the database, not for the cluster."""


class Cluster:
    """A PostgreSQL of our own, reached by its socket only; gone with the test."""

    def __init__(self, folder: Path, binaries: Path):
        self.folder = folder
        self.binaries = binaries
        self.data = folder / "data"
        self.parameters = folder / "ours.conf"
        self.question = AskDatabase(
            "mattermost",
            ("work_mem", "max_connections", "default_transaction_read_only"),
            str(self.parameters),
        )
        self.programs = folder / "programs"
        # As the superuser, in our folder; both pass peer authentication on a real host.
        reach = f"PGHOST={folder} PGUSER=postgres PATH={binaries}:$PATH"
        local.program(self.programs, "setpriv", f'shift 3; {reach} exec "$@"')
        self.restarts = folder / "restarts"
        local.program(self.programs, "systemctl", f'echo "$*" >>{self.restarts}')

    def run(self, program: str, *arguments: str) -> None:
        owner = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        command = [*owner, str(self.binaries / program), *arguments]
        subprocess.run(command, check=True, cwd="/", capture_output=True)

    def sql(self, statement: str, name: str = "postgres") -> None:
        self.run("psql", "-h", str(self.folder), "-U", "postgres", "-d", name, "-c", statement)

    def control(self, verb: str) -> None:
        log = str(self.folder / "log")
        self.run("pg_ctl", "-D", str(self.data), "-w", "-l", log, "-m", "immediate", verb)

    def state(self) -> DatabaseState:
        state = local.ask_here(self.question, self.programs)
        assert isinstance(state, DatabaseState)
        return state

    def deploy(self) -> bool:
        """Ask, run what follows, and say whether anything was to do."""
        answer = answering({self.question: self.state()})
        (step,) = plan(deploy, self.question, "C", answer=answer).steps
        commands = iter(step.commands)
        lines = list(step.stdin)
        for command in commands:
            inside = "-d mattermost" in command
            wanted = [line for line in lines if bool(INSIDE.match(line)) == inside]
            done = local.run(command, wanted if "-f -" in command else (), self.programs)
            assert done.returncode == 0, done.stderr
        if self.restarts.exists():
            self.restarts.unlink()
            self.control("restart")
        return step.changes


def real_cluster() -> Iterator[Cluster]:
    """A cluster of our own while it is used; the fixture ``cluster``."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        pytest.skip("PostgreSQL's initdb is not installed on this machine")
    with tempfile.TemporaryDirectory(prefix="mattermost-host-", dir="/tmp") as name:
        made = Cluster(Path(name), found[-1].parent)
        if os.geteuid() == 0:
            shutil.chown(made.folder, "postgres")
        options = ("--encoding=UTF8", "--locale=C", "--auth=trust", "--no-sync", "-U", "postgres")
        made.run("initdb", *options, "-D", str(made.data))
        made.parameters.write_text(
            "work_mem = 5MB\nmax_connections = 30\ndefault_transaction_read_only = off\n"
        )
        with (made.data / "postgresql.conf").open("a") as file:
            file.write(f"listen_addresses = ''\nunix_socket_directories = '{made.folder}'\n")
            file.write(f"fsync = off\ninclude = '{made.parameters}'\n")
        made.control("start")
        try:
            yield made
        finally:
            made.control("stop")
