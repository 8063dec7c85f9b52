"""A site on a lab host, and the commands an operator types for it."""

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from mattermost_host.verify.api_client import Client, Unexpected, trust
from tests.host.outside import resolving
from tests.lab.hosts import Lab, LabHost
from tests.lab.shell import wait_until

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
"""Where the tools of the environment that runs the tests are."""
QUIET = {**os.environ, "PYINFRA_PROGRESS": "off", "COLUMNS": "120"}
OURS = ("mattermost.service", "nginx.service", "mattermost-firewall.service")
LONGEST = 900.0  # seconds for one command
RECOVERY = 60.0  # seconds for a server that lost its database, or its host


@dataclass(frozen=True)
class Run:
    """What a command printed and how it ended."""

    status: int
    output: str
    """Standard output and error together, as an operator sees them."""
    changed: tuple[str, ...] = ()
    """Names of the operations that changed something; only of deploys."""

    @property
    def words(self) -> str:
        """The output on one line, so that a sentence is found however it was wrapped."""
        return " ".join(self.output.split())


class Deployment:
    """An inventory of one host, written to ``folder``. Keyword arguments go into ``site``."""

    def __init__(
        self,
        lab: Lab,
        host: LabHost,
        folder: Path,
        release: Path,
        *,
        user: str = "root",
        login: Mapping[str, Any] | None = None,
        **site: Any,
    ) -> None:
        """``release`` is the tarball; nothing is deployed yet.

        ``login`` is more that the inventory says of the host.
        """
        self.lab = lab
        self.host = host
        self.name = f"{host.name}.test"
        self.user = user
        self.login = dict(login or {})
        self.folder = ROOT
        self.deploys = "deploys/site.py"
        self.inventory = folder / "lab.py"
        server = site.pop("mattermost", {})
        source = {"file": str(release), "unverified": True}
        self.site: dict[str, Any] = {
            "url": f"https://{self.name}",
            "users": 100,
            "file_use": "low",
            **site,
            "mattermost": {"release": source, **server},
        }
        lab.resolve(self.name, host)
        self.write()

    def write(self) -> None:
        """Put the inventory on disk; a test changes ``site`` and calls this again."""
        connection = self.connection(self.host)
        roles = "app = proxy" if "dsn" in self.site.get("postgres", {}) else "app = db = proxy"
        lines = [f"site = {self.site!r}", f"{roles} = [({self.host.address!r}, {connection!r})]"]
        self.inventory.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def connection(self, host: LabHost) -> dict[str, Any]:
        """How a host is logged in to."""
        return {
            "ssh_user": self.user,
            "ssh_port": host.ssh_port,
            "ssh_key": str(self.lab.key),
            "ssh_known_hosts_file": str(self.lab.known_hosts),
            **self.login,
        }

    @property
    def secrets_file(self) -> Path:
        """Where the site's secrets are."""
        return self.inventory.with_suffix(".secrets.toml")

    @property
    def authority_key(self) -> Path:
        """Where the key of the site's authority is."""
        return self.inventory.with_suffix(".authority-key.pem")

    @property
    def secrets(self) -> Mapping[str, Any]:
        """What stands in the secrets file."""
        return tomllib.loads(self.secrets_file.read_text(encoding="utf-8"))

    @property
    def authority_file(self) -> Path:
        """What a client has to trust."""
        return self.inventory.with_suffix(".ca.pem")

    def command(self, *arguments: str) -> list[str]:
        """The argv of one of our commands, from the folder that it is started in."""
        return [str(BIN / arguments[0]), *arguments[1:]]

    def run(self, *arguments: str, check: bool = True, typed: str | None = None) -> Run:
        """Type a command of ours in the project's folder, and ``typed`` where it asks."""
        done = subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            env=QUIET,
            input=typed,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=LONGEST,
            check=False,
        )
        assert "Traceback" not in done.stdout, done.stdout
        if check and done.returncode:
            raise AssertionError(f"{arguments} ended with {done.returncode}:\n{done.stdout}")
        return Run(done.returncode, done.stdout)

    def deploy(self, *options: str, check: bool = True) -> Run:
        """`pyinfra INVENTORY deploys/site.py`, without the question; says what changed."""
        inventory = str(self.inventory)
        done = subprocess.run(
            self.command("pyinfra", "-y", "--json", *options, inventory, self.deploys),
            cwd=self.folder,
            env=QUIET,
            capture_output=True,
            text=True,
            timeout=LONGEST,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        operations = []
        if done.stdout.startswith("{"):
            operations = json.loads(done.stdout)["results"]["operations"]
        failed = [each["name"] for each in operations if each["error"]]
        if check and (done.returncode or failed):
            raise AssertionError(f"ended with {done.returncode}, failed: {failed}\n{done.stderr}")
        changed = tuple(each["name"] for each in operations if each["success"])
        return Run(done.returncode, done.stdout + done.stderr, changed)

    def start(self) -> subprocess.Popen[str]:
        """Begin a deploy, in a process group of its own; its lines can be read as they come."""
        return subprocess.Popen(
            self.command("pyinfra", "-y", str(self.inventory), self.deploys),
            cwd=self.folder,
            env={**QUIET, "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def verify(self, *options: str) -> Run:
        """`mattermost-host verify INVENTORY`, which must find nothing wrong."""
        return self.run("mattermost-host", "verify", str(self.inventory), *options)

    def started(self, *units: str) -> dict[str, str]:
        """The invocation of each unit, of ours without names: another one is another start."""
        wanted = " ".join(units or OURS)
        shown = self.host.run(f"systemctl show -p Id,InvocationID {wanted}").stdout
        blocks = [dict(line.split("=", 1) for line in one.split()) for one in shown.split("\n\n")]
        return {block["Id"]: block["InvocationID"] for block in blocks}

    @contextmanager
    def client(self) -> Iterator[Client]:
        """Somebody who asks the site by its name, and trusts its authority."""
        with resolving(self.name, self.host.address):
            yield Client(f"https://{self.name}", trust(self.authority_file))

    @contextmanager
    def administrator(self) -> Iterator[Client]:
        """The first administrator, logged in."""
        with self.client() as client:
            client.log_in("sysadmin", self.secrets["admin_password"])
            yield client

    def status(self) -> int:
        """What the server says of itself, its database included; 0 where nobody answers."""
        with self.client() as client:
            try:
                answer: requests.Response = client.send(
                    "GET", "/system/ping?get_server_status=true"
                )
            except Unexpected:
                return 0
        return answer.status_code

    def wait_healthy(self) -> None:
        """Wait until server and database are well, as users see it."""
        wait_until(lambda: self.status() == 200, RECOVERY, f"{self.name} is well again")
