"""A site on a lab host, and the commands an operator types for it."""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.lab.hosts import Lab, LabHost

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Run:
    """What a command printed and how it ended."""

    status: int
    output: str
    """Standard output and error together, as an operator sees them."""
    changed: tuple[str, ...] = ()
    """Names of the operations that changed something; only of deploys."""


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
        **site: Any,
    ) -> None:
        self.lab = lab
        self.host = host
        self.name = f"{host.name}.test"
        self.user = user
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
        connection = {
            "ssh_user": self.user,
            "ssh_port": self.host.ssh_port,
            "ssh_key": str(self.lab.key),
            "ssh_known_hosts_file": str(self.lab.known_hosts),
        }
        lines = [
            f"site = {self.site!r}",
            f"app = db = proxy = [({self.host.address!r}, {connection!r})]",
        ]
        self.inventory.write_text("\n".join(lines) + "\n", encoding="utf-8")

    @property
    def secrets_file(self) -> Path:
        """Where the site's secrets are."""
        return self.inventory.with_suffix(".secrets.toml")

    @property
    def authority_file(self) -> Path:
        """What a client has to trust."""
        return self.inventory.with_suffix(".ca.pem")

    def command(self, *arguments: str) -> list[str]:
        """The argv of one of our commands, from the folder that it is started in."""
        return [str(ROOT / ".venv" / "bin" / arguments[0]), *arguments[1:]]

    def run(self, *arguments: str, check: bool = True, timeout: float = 900) -> Run:
        """Type a command of ours in the project's folder."""
        done = subprocess.run(
            self.command(*arguments),
            cwd=ROOT,
            env={**os.environ, "PYINFRA_PROGRESS": "off", "COLUMNS": "120"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
            check=False,
        )
        if check and done.returncode:
            raise AssertionError(f"{arguments} ended with {done.returncode}:\n{done.stdout}")
        return Run(done.returncode, done.stdout)

    def deploy(self, *options: str, check: bool = True) -> Run:
        """`pyinfra INVENTORY deploys/site.py`, without the question; says what changed."""
        done = subprocess.run(
            self.command(
                "pyinfra", "-y", "--json", *options, str(self.inventory), "deploys/site.py"
            ),
            cwd=ROOT,
            env={**os.environ, "PYINFRA_PROGRESS": "off"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            timeout=900,
            check=False,
        )
        output = done.stdout + done.stderr
        if done.returncode and check:
            raise AssertionError(f"the deploy ended with {done.returncode}:\n{done.stderr}")
        changed: tuple[str, ...] = ()
        if done.stdout.startswith("{"):
            operations = json.loads(done.stdout)["results"]["operations"]
            changed = tuple(each["name"] for each in operations if each["success"])
            failed = [each["name"] for each in operations if each["error"]]
            if failed and check:
                raise AssertionError(f"failed: {failed}\n{done.stderr}")
        return Run(done.returncode, output, changed)

    def verify(self, *options: str, check: bool = True) -> Run:
        """`mattermost-host verify INVENTORY`."""
        return self.run("mattermost-host", "verify", str(self.inventory), *options, check=check)

    def started(self, *units: str) -> dict[str, str]:
        """The invocation of each unit: another one means that it was restarted."""
        names = units or ("mattermost.service", "nginx.service", "mattermost-firewall.service")
        shown = self.host.run(f"systemctl show -p InvocationID --value {' '.join(names)}").stdout
        return dict(zip(names, [line for line in shown.splitlines() if line], strict=True))
