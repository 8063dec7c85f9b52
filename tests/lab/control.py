"""A control machine of its own: a lab host with a checkout, for what systemd does with it.

It gets this machine's installed packages, so nothing is fetched; scripts/setup is replaced by one
that makes an environment from them.
"""

import shlex
import subprocess
import sysconfig
from pathlib import Path

from tests.lab.deployment import ROOT, Deployment, Run
from tests.lab.hosts import LabHost

CHECKOUT = "/srv/mattermost-host"
PACKAGES = "/srv/packages"
INVENTORY = "/srv/sites of ours/chat.py"
COMMAND = f"{CHECKOUT}/.venv/bin/mattermost-host"
PARTS = ("config.py", "deploys", "inventories", "src", "templates", "tests/host")
# Tools of developers, and large.
LEFT_OUT = (
    "mypy",
    "mypy-*",
    "ruff*",
    "sslyze*",
    "nassl*",
    "gixy*",
    "*editable*",
    "mattermost_host*",
)
SETUP = f"""#!/bin/sh
set -e
cd "$(dirname "$0")/.."
echo "setup: making an environment"
[ ! -e refuse ] || {{ echo "pip found no network"; exit 1; }}
.venv/bin/python -c '' 2>/dev/null && exit 0
rm -rf .venv
python3 -m venv --without-pip .venv
packages=$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
printf '%s\\n' {PACKAGES} "$PWD/src" >"$packages/ours.pth"
printf '#!%s/.venv/bin/python\\nfrom mattermost_host.cli.entry import main\\nmain()\\n' "$PWD" \\
  >.venv/bin/mattermost-host
chmod 755 .venv/bin/mattermost-host
"""


class Control:
    """A host from which a site is looked after."""

    def __init__(self, host: LabHost, deployment: Deployment) -> None:
        """Give ``host`` what a person has who deploys ``deployment``."""
        self.host = host
        self.deployment = deployment
        host.run(f"mkdir -p {shlex.quote(self.folder)}")
        check_out(host)
        self._take_over_site()

    @property
    def folder(self) -> str:
        """Where the inventory is."""
        return INVENTORY.rpartition("/")[0]

    def _take_over_site(self) -> None:
        lab = self.deployment.lab
        tarball = Path(self.deployment.site["mattermost"]["release"]["file"])
        private = {
            lab.key: "key",
            self.deployment.secrets_file: "chat.secrets.toml",
            self.deployment.authority_key: "chat.authority-key.pem",
        }
        self.write("chat.ca.pem", self.deployment.authority_file.read_text(encoding="utf-8"))
        for path, name in private.items():
            self.write(name, path.read_text(encoding="utf-8"))
            self.host.run(f"chmod 600 {shlex.quote(f'{self.folder}/{name}')}")
        self.write("known_hosts", lab.known_hosts.read_text(encoding="utf-8"))
        text = self.deployment.inventory.read_text(encoding="utf-8")
        moved = {lab.key: "key", lab.known_hosts: "known_hosts", tarball: tarball.name}
        for old, name in moved.items():
            text = text.replace(str(old), f"{self.folder}/{name}")
        self.write("chat.py", text)
        copy(self.host, tarball.parent, self.folder, (tarball.name,))

    def write(self, name: str, text: str) -> None:
        """Replace a file beside the inventory."""
        self.host.write(f"{self.folder}/{name}", text)

    def read(self, name: str) -> str:
        """The text of a file beside the inventory."""
        return self.host.read(f"{self.folder}/{name}")

    def run(self, command: str, *options: str, check: bool = True) -> Run:
        """``mattermost-host COMMAND INVENTORY …`` in the checkout, as root."""
        words = shlex.join([COMMAND, command, INVENTORY, *options])
        done = self.host.run(f"cd {CHECKOUT} && {words} 2>&1", check=check)
        return Run(done.returncode, done.stdout)


def check_out(host: LabHost) -> None:
    """Put a checkout on ``host``, with an environment in which its commands run."""
    host.run(f"mkdir -p {CHECKOUT}/scripts")
    copy(host, ROOT, CHECKOUT, PARTS)
    give_packages(host)
    host.write(f"{CHECKOUT}/scripts/setup", SETUP)
    host.run(f"chmod 755 {CHECKOUT}/scripts/setup && {CHECKOUT}/scripts/setup")


def give_packages(host: LabHost) -> None:
    """Put this machine's installed packages where ``SETUP`` takes them from."""
    host.run(f"mkdir -p {PACKAGES}")
    copy(host, Path(sysconfig.get_path("purelib")), PACKAGES, (".",))


def copy(host: LabHost, source: Path, target: str, parts: tuple[str, ...]) -> None:
    """Put ``parts`` of the folder ``source`` into the folder ``target`` of ``host``."""
    excluded = [f"--exclude={name}" for name in (*LEFT_OUT, "__pycache__") if source != ROOT]
    pack = ["tar", "-C", str(source), *excluded, "-cf", "-", *parts]
    with subprocess.Popen(pack, stdout=subprocess.PIPE) as packing:
        unpack = [*host.ssh(), "--", f"tar -xf - -C {shlex.quote(target)} --no-same-owner"]
        subprocess.run(unpack, stdin=packing.stdout, check=True)
    assert packing.returncode == 0
