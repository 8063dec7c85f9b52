"""Site: everything one inventory describes, checked before any connection.

``config.py`` loads it at the start of each pyinfra run; deploys say ``Site.current()``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

import click
from pydantic import SecretStr

from mattermost_host import inventory, site_rules
from mattermost_host.description import Description, describe
from mattermost_host.errors import OperatorError, SiteError
from mattermost_host.inventory import SiteHost
from mattermost_host.secrets import Secrets, Wanted


@dataclass(frozen=True)
class Site:
    """One inventory, without a mistake, with its secrets."""

    path: Path
    description: Description
    hosts: tuple[SiteHost, ...]
    secrets: Secrets

    _current: ClassVar["Site | None"] = None

    @classmethod
    def load(cls, path: Path) -> "Site":
        """Read and check the inventory at ``path``; generate the secrets that are missing.

        Raises SiteError with every mistake at once.
        """
        read = inventory.read(path)
        description = describe(path, read.description)
        mistakes = list(site_rules.mistakes(description))
        if mistakes:
            raise SiteError(str(path), mistakes)
        secrets = Secrets.load(path, _wanted(description), datetime.now(UTC))
        mistakes = list(site_rules.mistakes_with_secrets(description, secrets))
        if mistakes:
            raise SiteError(str(path), mistakes)
        return cls(path, description, read.hosts, secrets)

    @classmethod
    def load_for_pyinfra(cls) -> None:
        """Load the inventory of this command line. Only a file that describes a site is checked."""
        path = Path(str(click.get_current_context().params["inventory"]))
        if path.is_file():
            Site._current = cls.load(path)

    @classmethod
    def current(cls) -> "Site":
        """The site of this run. Raises OperatorError where config.py was not read."""
        if cls._current is None:
            raise OperatorError(
                "config.py was not read, so nothing was checked; "
                "run pyinfra in the folder that holds config.py, with an inventory file"
            )
        return cls._current

    @property
    def name(self) -> str:
        """The name users type, without scheme and port."""
        return self.description.name

    def addresses(self, role: str) -> Sequence[str]:
        """Addresses or names by which the hosts of ``role`` are reached."""
        return [
            str(host.data.get("ssh_hostname", host.name)) for host in self.hosts if role in host.roles
        ]

    @property
    def administrator_email(self) -> str:
        """Address of the first administrator."""
        administrator = self.description.mattermost.administrator
        return administrator.email or f"{administrator.username}@{self.name}"

    @property
    def data_source(self) -> SecretStr:
        """DSN of the server's database, password included where there is one."""
        return site_rules.data_source(self.description, self.secrets)


def _wanted(description: Description) -> Wanted:
    certificates = {"site": (description.name,)} if description.tls.mode == "internal-ca" else {}
    return Wanted(certificates=certificates)
