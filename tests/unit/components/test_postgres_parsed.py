"""The database's settings on Enterprise Linux, read by PostgreSQL and systemd themselves."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from mattermost_host.components import postgres
from mattermost_host.components.postgres import Settings
from mattermost_host.ops import postgresql_service
from tests.unit.examples import ROCKY_9
from tests.unit.fake_host import Plan, plan
from tests.unit.parsers import complaints_of_systemd

FOLDER = "/etc/mattermost-host/postgresql"
DATA = "/var/lib/pgsql/data"


def _planned() -> Plan:
    return plan(
        postgres.deploy,
        Settings(),
        ROCKY_9,
        parameters={"shared_buffers": "16MB", "max_connections": "20"},
        before_start=(),
        archive=None,
        hold=None,
    )


class Server:
    """A cluster, and our files, in a folder of their own; nothing listens on any port."""

    def __init__(self, folder: Path, programs: Path) -> None:
        self.folder, self.programs = folder, programs
        self.data, self.settings = folder / "data", folder / "settings"
        self.settings.mkdir()
        self.run("initdb", "--no-sync", "--locale=C", "-A", "trust", "-D", str(self.data))
        moved = {DATA: self.data, FOLDER: self.settings, postgresql_service.SOCKET_FOLDER: folder}
        for name in ("mattermost-host.conf", "pg_hba.conf"):
            text = _planned().text(f"{FOLDER}/{name}")
            for place, stand_in in moved.items():
                text = text.replace(place, str(stand_in))
            (self.settings / name).write_text(text)

    def run(self, program: str, *arguments: str) -> str:
        become = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        command = [*become, str(self.programs / program), *arguments]
        done = subprocess.run(command, cwd="/", capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def says(self, parameter: str) -> str:
        """What the server would take the parameter for."""
        main = self.settings / "mattermost-host.conf"
        return self.run(
            "postgres", "-D", str(self.data), "-c", f"config_file={main}", "-C", parameter
        )


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        pytest.skip("PostgreSQL's initdb is not installed on this machine")
    with tempfile.TemporaryDirectory(prefix="mattermost-host-", dir="/tmp") as name:
        folder = Path(name)
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres")
        folder.chmod(0o755)
        yield Server(folder, found[-1].parent)


def test_the_server_takes_our_settings_and_the_clusters_own(server: Server) -> None:
    with (server.data / "postgresql.conf").open("a") as own:
        own.write("listen_addresses = '*'\nlog_line_prefix = 'by hand'\n")
    assert server.says("shared_buffers") == "2048"  # of 8 kB
    assert server.says("listen_addresses") == ""
    assert server.says("hba_file") == str(server.settings / "pg_hba.conf")
    assert server.says("data_directory") == str(server.data)
    assert server.says("log_line_prefix") == "by hand"


def test_it_starts_where_the_clusters_own_file_is_gone(server: Server) -> None:
    own = server.data / "postgresql.conf"
    aside = own.rename(own.with_suffix(".aside"))
    try:
        assert server.says("shared_buffers") == "2048"
    finally:
        aside.rename(own)


def test_systemd_accepts_the_drop_in(tmp_path: Path) -> None:
    unit = tmp_path / "postgresql.service"
    unit.write_text("[Service]\nType=notify\nExecStart=/bin/true\n")
    drop_ins = tmp_path / "postgresql.service.d"
    drop_ins.mkdir()
    path = "/etc/systemd/system/postgresql.service.d/mattermost-host.conf"
    text = _planned().text(path)
    # This machine has its programs elsewhere, and systemd looks for them.
    (drop_ins / "mattermost-host.conf").write_text(text.replace("/usr/bin/postgres", "/bin/true"))
    assert complaints_of_systemd(unit) == []
