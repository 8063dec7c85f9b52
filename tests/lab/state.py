"""What a lab has on this machine, written down before it is made, so that it can be cleared."""

import os
import shutil
from pathlib import Path

import psutil
from pydantic import BaseModel

from tests.lab import places


class Process(BaseModel, frozen=True):
    """A process that a number taken again by another one is not mistaken for."""

    pid: int
    created: float  # seconds since the epoch

    @classmethod
    def of(cls, pid: int) -> "Process":
        """The process that has this number now."""
        return cls(pid=pid, created=psutil.Process(pid).create_time())

    def alive(self) -> bool:
        """Whether it still runs; a zombie does not."""
        try:
            found = psutil.Process(self.pid)
            return found.create_time() == self.created and found.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    def kill(self) -> None:
        """SIGKILL, and wait at most 20 s for the end."""
        if self.alive():
            found = psutil.Process(self.pid)
            found.kill()
            found.wait(timeout=20)


class HostState(BaseModel):
    """One host: what it was made from, and the process that runs it."""

    name: str
    suite: str
    image: Path
    number: int  # in its lab, from 1
    ssh_port: int
    process: Process | None = None  # None: switched off


class LabState(BaseModel):
    """One lab. `owner` is the process whose end ends the lab; None: it is kept."""

    name: str
    index: int  # of its network, one for all labs of this machine
    owner: Process | None
    disks: Path
    names: dict[str, str] = {}  # other names that resolve inside the hosts, and their host
    hosts: dict[str, HostState] = {}

    @property
    def folder(self) -> Path:
        """State, keys and console logs; for root only."""
        return places.STATE / self.name

    @property
    def bridge(self) -> str:
        """The bridge's name; the nftables tables, cgroups and machines begin with it too."""
        return f"mml{self.index}"

    def machine(self, host: HostState) -> str:
        """The host's name on this machine, short enough for its end of the veth pair."""
        return f"{self.bridge}-{host.number}"

    def disk(self, host: HostState) -> Path:
        """The host's written files (`upper`) and what overlayfs needs beside them."""
        return self.disks / host.name

    def console(self, host: HostState) -> Path:
        """What the host said on its console, over all its boots."""
        return self.folder / f"{host.name}.console"

    def save(self) -> None:
        """Write it down: the whole file or the one before."""
        aside = self.folder / "lab.json.new"
        aside.write_text(self.model_dump_json(indent=1))
        aside.rename(self.folder / "lab.json")

    @classmethod
    def load(cls, name: str) -> "LabState | None":
        """The lab of that name, or None where there is none."""
        path = places.STATE / name / "lab.json"
        return cls.model_validate_json(path.read_text()) if path.is_file() else None


def known() -> dict[str, LabState | None]:
    """Every lab of this machine; None for one that died before it had written anything down."""
    if not places.STATE.is_dir():
        return {}
    folders = [path for path in places.STATE.iterdir() if path.is_dir()]
    return {path.name: LabState.load(path.name) for path in folders}


def create(name: str | None, index: int, *, keep: bool) -> LabState:
    """A new lab's state, written down. The caller holds the lock of all labs."""
    name = name or f"lab{index}"
    if name in known():
        raise FileExistsError(f"A lab called {name} is up on this machine; choose another name.")
    state = LabState(
        name=name,
        index=index,
        owner=None if keep else Process.of(os.getpid()),
        disks=places.disks(name),
    )
    state.folder.mkdir(parents=True, mode=0o700)
    state.save()
    shutil.rmtree(state.disks, ignore_errors=True)
    state.disks.mkdir(parents=True, mode=0o700)
    return state
