"""Where a trial keeps its inventory: a folder of its own, with the secrets beside it."""

import subprocess
import tempfile
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from mattermost_host.support.errors import OperatorError
from mattermost_host.support.paths import PROJECT, home
from tests.try_on.report import Mask, leaves

PASSWORD = "TRY_ON_SUDO_PASSWORD"
"""The environment variable with the password of sudo."""
NAME = "try-on.test"
"""In no DNS, ever (RFC 6761): it is asked at the host's address."""
SKIP = {"name-resolution": "the name of a trial is in no DNS"}
USERS = 50


@dataclass(frozen=True)
class Login:
    """How the host is logged in to; what is None is left to ssh's own configuration."""

    destination: str
    user: str | None = None
    port: int | None = None
    key: str | None = None
    with_password: bool = False
    """Whether sudo wants the password that is in the environment."""


@dataclass(frozen=True)
class Place:
    """The folder of a trial."""

    folder: Path

    @classmethod
    def make(cls, named: Path | None) -> "Place":
        """The folder of an earlier trial, or a new one that only the caller can read."""
        if named is None:
            return cls(Path(tempfile.mkdtemp(prefix="mattermost-try-on-")))
        if not (named / "inventory.py").is_file():
            raise OperatorError(
                f"{named} is not the folder of an earlier trial: it has no inventory.py. "
                "Leave --folder out to begin a new one."
            )
        return cls(named.resolve())

    @property
    def inventory(self) -> Path:
        """The inventory."""
        return self.folder / "inventory.py"

    @property
    def report(self) -> Path:
        """Where the report goes."""
        return self.folder / "report.md"

    def write(self, login: Login, release: str | None, postgresql: int | None = None) -> None:
        """Put the inventory there; ``release`` is a tarball or its URL, None the newest ESR.

        ``postgresql`` is a major version, None the distribution's default.
        """
        site: dict[str, Any] = {
            "url": f"https://{NAME}",
            "users": USERS,
            "file_use": "low",
            "skip": SKIP,
        }
        if release:
            site["mattermost"] = {"release": {"file": release, "unverified": True}}
        if postgresql:
            site["postgres"] = {"version": postgresql}
        data = {"ssh_user": login.user, "ssh_port": login.port, "ssh_key": login.key}
        said = "".join(f"{key!r}: {value!r}, " for key, value in data.items() if value)
        if login.with_password:
            said += f"'_sudo_password': os.environ[{PASSWORD!r}]"
        lines = [
            f'"""A site to try mattermost-host on one host; written by scripts/try-on."""\n\n'
            f"import os\n\nsite = {site!r}\n",
            f"app = db = proxy = [({login.destination!r}, {{{said}}})]",
        ]
        self.inventory.write_text("\n".join(lines) + "\n", encoding="utf-8")
        self.inventory.chmod(0o600)

    def mask(self, login: Login, password: str | None, addresses: tuple[str, ...] = ()) -> Mask:
        """Hides the site's secrets, and whose host it is."""
        hidden = dict.fromkeys((login.destination, *addresses), "HOST")
        hidden |= {str(self.folder): "FOLDER", str(PROJECT): "CHECKOUT", str(home()): "~"}
        if login.key:
            hidden[login.key] = "KEY"
        hidden |= dict.fromkeys(leaves(self._secrets()), "[secret]")
        if password:
            hidden[password] = "[secret]"
        return Mask(hidden)

    def _secrets(self) -> Mapping[str, Any]:
        try:
            text = self.inventory.with_suffix(".secrets.toml").read_text(encoding="utf-8")
        except FileNotFoundError:
            return {}
        return tomllib.loads(text)


def version() -> str:
    """Of mattermost-host, with the commit of a checkout."""
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    return " ".join((metadata.version("mattermost-host"), commit)).strip()
