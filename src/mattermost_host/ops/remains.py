"""Remove what a component leaves behind when it is switched off."""

from collections.abc import Generator
from dataclasses import dataclass

from pyinfra import host
from pyinfra.api import StringCommand, operation
from pyinfra.api.operation import OperationMeta

from mattermost_host.engine.batch import Question
from mattermost_host.engine.explanations import Change, explain
from mattermost_host.engine.questions import ask, changing, expect


@dataclass(frozen=True)
class AskRemains(Question[tuple[str, ...]]):
    """Those of ``paths`` that exist."""

    about = "what is not needed any more"

    paths: tuple[str, ...]

    def script(self) -> str:
        # Shell builtins only, without another process.
        return f'for path in {" ".join(self.paths)}; do [ ! -e "$path" ] || echo "$path"; done'

    def parse(self, lines: list[str]) -> tuple[str, ...]:
        return tuple(lines)


def removed(name: str, paths: tuple[str, ...], timers: tuple[str, ...] = ()) -> OperationMeta:
    """Keep nothing at ``paths``, which are root's own; units in the files ``timers`` are ended."""
    expect(AskRemains(paths))
    return _removed(name=name, paths=paths, timers=timers)


@operation()
def _removed(
    paths: tuple[str, ...], timers: tuple[str, ...]
) -> Generator[StringCommand, None, None]:
    found = ask(AskRemains(paths))
    if not found:
        host.noop("nothing is left")
        return
    explain(*(Change(path, "is not needed any more") for path in found))
    steps = ["set -eu"]
    if ended := [path.rpartition("/")[2] for path in timers if path in found]:
        steps.append(f"systemctl disable --quiet --now {' '.join(ended)}")
    steps += [f"rm -rf -- {' '.join(paths)}", "systemctl daemon-reload"]
    yield from changing(StringCommand("\n".join(steps)))


@dataclass(frozen=True)
class AskEmpty(Question[tuple[str, ...]]):
    """Those of ``folders`` that are empty."""

    about = "empty folders"

    folders: tuple[str, ...]

    def script(self) -> str:
        return f"find {' '.join(self.folders)} -maxdepth 0 -type d -empty"

    def parse(self, lines: list[str]) -> tuple[str, ...]:
        return tuple(lines)


def emptied(name: str, folders: tuple[str, ...]) -> OperationMeta:
    """Keep ``folders``, which are root's, removed where nobody has anything in them."""
    expect(AskEmpty(folders))
    return _emptied(name=name, folders=folders)


@operation()
def _emptied(folders: tuple[str, ...]) -> Generator[StringCommand, None, None]:
    found = ask(AskEmpty(folders))
    if not found:
        host.noop("no folder is empty")
        return
    explain(*(Change(path, "is empty") for path in found))
    yield from changing(StringCommand(f"rmdir -- {' '.join(found)}"))
