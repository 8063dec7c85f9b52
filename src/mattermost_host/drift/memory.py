"""What a look for drift knows of those before it, in a folder of the inventory's own."""

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
"""systemd's name of one run of a service, for every process of it."""


def key(inventory: Path) -> str:
    """A name for the inventory's units and files: readable, and no other inventory's."""
    path = inventory.resolve()
    return f"{path.stem}-{sha256(str(path).encode()).hexdigest()[:6]}"


def folder(inventory: Path) -> Path:
    """Where history and memory of the inventory are kept, on the control machine."""
    return state_folder() / "drift" / key(inventory)


class Memory(BaseModel):
    """What is kept from one look to the next; without it people are told once more."""

    known: frozenset[str] = frozenset()
    """What people were told."""
    hashed: float = 0
    """When every file of the releases was last hashed, in Unix time."""
    settings: Settings = Settings()
    """Where to tell that the inventory can't be read any more."""
    invocation: str = ""
    """The service's newest run that told all it had to."""

    @property
    def is_of_this_invocation(self) -> bool:
        """Whether this run of the service has told already what it had to."""
        return self.invocation == os.environ.get(INVOCATION)

    @classmethod
    def read(cls, inventory: Path) -> "Memory":
        """The memory of the inventory's last look; an empty one where it can't be had."""
        with suppress(Exception):
            return cls.model_validate_json(read_private(_file(inventory)) or "{}")
        return cls()

    def write(self, inventory: Path) -> None:
        """Keep it where nobody else may read. Raises OperatorError where that can't be."""
        self.invocation = os.environ.get(INVOCATION, "")
        try:
            folder(inventory).mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise OperatorError(f"{folder(inventory)} can't be made: {error.strerror}") from error
        write_private(_file(inventory), self.model_dump_json())


def _file(inventory: Path) -> Path:
    return folder(inventory) / "memory.json"
