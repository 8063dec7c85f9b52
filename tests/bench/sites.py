"""Inventories of the bench, and our commands on them."""

import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.bench.items import FAKE
from tests.bench.measure import QUIET, Failed, Ran, run
from tests.lab.hosts import Lab, LabHost

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
NAME = "bench.test"
SKIPPED = {"name-resolution": "the name of the bench leads to one of its hosts only"}


class BenchSite:
    """One site: the same description, secrets and certificate for any number of whole hosts."""

    def __init__(self, lab: Lab, folder: Path, release: Path) -> None:
        """``release`` is the tarball; its digest is not in anybody's table."""
        self.lab = lab
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.description: dict[str, Any] = {
            "url": f"https://{NAME}",
            "users": 100,
            "file_use": "low",
            "skip": SKIPPED,
            "mattermost": {"release": {"file": str(release), "unverified": True}},
        }

    def inventory(self, hosts: Sequence[LabHost]) -> Path:
        """An inventory with each of ``hosts`` in all roles."""
        connection = {
            "ssh_user": "root",
            "ssh_key": str(self.lab.key),
            "ssh_known_hosts_file": str(self.lab.known_hosts),
        }
        members = [(host.address, connection) for host in hosts]
        return self._write(f"of-{'-'.join(host.name for host in hosts[:3])}-{len(hosts)}", members)

    def described(self) -> Path:
        """The inventory of a host that is nowhere, for asking what a deploy would do."""
        return self._write("described", [FAKE])

    def _write(self, name: str, members: Sequence[object]) -> Path:
        path = self.folder / f"{name}.py"
        lines = [f"site = {self.description!r}", f"app = db = proxy = {list(members)!r}"]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        # The first inventory's secrets are everybody's: one site, one certificate.
        for ending in (".secrets.toml", ".ca.pem"):
            first = next(iter(sorted(self.folder.glob(f"*{ending}"))), None)
            if first and not path.with_suffix(ending).exists():
                shutil.copy2(first, path.with_suffix(ending))
        return path


def pyinfra(*arguments: str, env: Mapping[str, str] = QUIET) -> Ran:
    """Our deploys by pyinfra's own command."""
    return run([str(BIN / "pyinfra"), "-y", *arguments], cwd=ROOT, env=env)


def deploy(inventory: Path) -> Ran:
    """``pyinfra -y INVENTORY deploys/site.py``."""
    return pyinfra(str(inventory), "deploys/site.py")


def unchanged(inventory: Path) -> Ran:
    """A deploy that must change nothing."""
    done = deploy(inventory)
    if changes(done):
        raise Failed(f"a second run of ours changed something:\n{done.output}")
    return done


def changes(done: Ran) -> int:
    """The operations that changed something in a run of pyinfra, over all hosts."""
    lines = done.output.splitlines()
    if not any(line.endswith("] No changes") or line.endswith("] Success") for line in lines):
        raise Failed(f"this run of pyinfra had no operations:\n{done.output}")
    return sum(line.endswith("] Success") for line in lines)


def mattermost_host(*arguments: str) -> Ran:
    """A command of ours that must end with 0."""
    return run([str(BIN / "mattermost-host"), *arguments], cwd=ROOT)
