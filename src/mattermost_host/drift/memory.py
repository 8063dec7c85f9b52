"""What a check for drift remembers for the next one, in a folder for each inventory."""

import os
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from pydantic import BaseModel

from mattermost_host.site.drift_settings import Settings
from mattermost_host.support.atomic_file import read_private, write_private
from mattermost_host.support.defects import state_folder
from mattermost_host.support.errors import OperatorError

INVOCATION = "INVOCATION_ID"
"""systemd's identifier of one run of a service, set for each of its processes."""


def key(inventory: Path) -> str:
    """A readable and unique name for the inventory's units and files."""
    path = inventory.resolve()
    return f"{path.stem}-{sha256(str(path).encode()).hexdigest()[:6]}"


def folder(inventory: Path) -> Path:
    """The inventory's folder for history and memory, on the control machine."""
    return state_folder() / "drift" / key(inventory)


class Memory(BaseModel):
    """What is kept between checks; if it is lost, drift is reported once more."""

    known: frozenset[str] = frozenset()
    """What has been reported."""
    hashed: float = 0
    """When all files of the releases were last hashed, Unix time."""
    settings: Settings = Settings()
    """The channels of the last readable inventory."""
    invocation: str = ""
    """The service's last run that has reported everything."""

    @property
    def is_of_this_invocation(self) -> bool:
        """Whether this run of the service has reported everything already."""
        return self.invocation == os.environ.get(INVOCATION)

    @classmethod
    def read(cls, inventory: Path) -> "Memory":
        """The inventory's memory; empty if it can't be read."""
        with suppress(Exception):
            return cls.model_validate_json(read_private(_file(inventory)) or "{}")
        return cls()

    def write(self, inventory: Path) -> None:
        """Write it, readable by this user only. Raises OperatorError if that fails."""
        self.invocation = os.environ.get(INVOCATION, "")
        try:
            folder(inventory).mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise OperatorError(f"{folder(inventory)} can't be made: {error.strerror}") from error
        write_private(_file(inventory), self.model_dump_json())


def _file(inventory: Path) -> Path:
    return folder(inventory) / "memory.json"
