"""The same state in pyinfra's own operations, one an item, as its documentation teaches."""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import assert_never

from mattermost_host.ops.entries import Absent, Directory, File, Link
from tests.bench.items import Account, Fact, Item, Packages, Parameter, UnitUp
from tests.bench.measure import Failed, Ran, run
from tests.bench.sites import BIN, changes

HEAD = """from pyinfra import host
from pyinfra.facts.hardware import Memory
from pyinfra.facts.server import Command, LinuxDistribution
from pyinfra.operations import apt, files, server, systemd

# The values in the files follow from these, as in ours.
host.get_fact(LinuxDistribution)
host.get_fact(Memory)
"""


class Stock:
    """A deploy file and an inventory in a folder of their own, where no config.py of ours is."""

    def __init__(self, folder: Path, items: Sequence[Item], inventory: Path) -> None:
        """Write deploy and inventory; nothing is run yet."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        lines = [line for item in items for line in _lines(item, folder)]
        (folder / "deploy.py").write_text("\n".join([HEAD, *lines, ""]), encoding="utf-8")
        (folder / "inventory.py").write_bytes(inventory.read_bytes())

    def run(self) -> tuple[int, Ran]:
        """Deploy; the number of operations that changed something, and what it took."""
        done = run([str(BIN / "pyinfra"), "-y", "inventory.py", "deploy.py"], cwd=self.folder)
        return changes(done), done

    def unchanged(self) -> Ran:
        """Deploy where nothing may change."""
        changed, done = self.run()
        if changed:
            raise Failed(f"stock pyinfra changed {changed} items that were right:\n{done.output}")
        return done


def _lines(item: Item, folder: Path) -> Iterator[str]:
    """The lines of a deploy for one item: flat, because pyinfra tells operations by their line."""
    match item:
        case File():
            source = folder / "files" / hashlib.sha256(item.path.encode()).hexdigest()[:16]
            source.parent.mkdir(mode=0o700, exist_ok=True)
            source.touch(mode=0o600)
            source.write_bytes(item.data)
            yield f"files.put(src={str(source)!r}, dest={item.path!r}, {_owned(item)})"
        case Directory():
            yield f"files.directory(path={item.path!r}, {_owned(item)})"
        case Link():
            yield f"files.link(path={item.path!r}, target={item.target!r})"
        case Absent():
            yield f"files.file(path={item.path!r}, present=False)"
        case Packages():
            yield from (f"apt.packages(packages=[{name!r}])" for name in item.names)
        case UnitUp():
            yield f"systemd.service(service={item.name!r}, running=True, enabled=True)"
        case Account():
            yield f"server.group(group={item.user!r}, system=True)"
            yield (
                f"server.user(user={item.user!r}, home={item.home!r}, shell={item.shell!r}, "
                f"group={item.user!r}, system=True, ensure_home=False)"
            )
        case Parameter():
            yield f"server.sysctl(key={item.name!r}, value={item.value!r})"
        case Fact():
            # server.shell changes always; a fact decides whether it is needed.
            asked = f"host.get_fact(Command, command={item.query!r}, _ignore_errors=True)"
            yield f"if ({asked} or '') != {item.right!r}:"
            yield f"    server.shell(commands=[{item.repair!r}])"
        case _:
            assert_never(item)


def _owned(item: File | Directory) -> str:
    return f"mode={item.mode!r}, user={item.user!r}, group={item.group!r}"
