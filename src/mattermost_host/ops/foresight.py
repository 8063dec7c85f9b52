"""Predict a unit's state in a plan, after files that earlier operations would write.

By path and content, as the run itself decides: a file that would have the content which the process
read at its start needs no restart, and a file that it does not read needs nothing.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from pyinfra.api.operation import OperationMeta

from mattermost_host.engine.explanations import Effect, foretold
from mattermost_host.ops.unit_files import FOLDERS
from mattermost_host.ops.unit_state import AskUnit, UnitState, are_unit_files_alike


def written_by(operations: Iterable[OperationMeta]) -> Mapping[str, str] | None:
    """What the operations would write, by path; None if one would change something unknown."""
    told = [foretold(operation) for operation in operations]
    known = [one for one in told if one is not None]
    if len(known) < len(told):
        return None
    return {path: content for one in known for path, content in one.items()}


def of_unit(question: AskUnit, now: UnitState, operations: Sequence[OperationMeta]) -> UnitState:
    """The predicted state of a unit after ``operations``."""
    becoming = written_by(operations)
    if becoming is None:
        # pyinfra's own --dry, where nothing is collected.
        return replace(now, foreseen="restart" if question.restart_on else "reload")
    read = {path: to for path, to in becoming.items() if is_in(path, question.restart_on)}
    stale = list(_stale(now.noted, read))
    left = tuple(path for path in now.to_restart if path not in read)
    units = [path for path in read if path.startswith(FOLDERS)]
    effect: Effect | None = "change" if units else None
    if any(is_in(path, question.reload_on) for path in becoming):
        effect = "reload"
    if stale:
        effect = "restart"
    alike = now.unit_files_alike
    if units:
        unread = [path for path in now.unread_drop_ins if read.get(path) != ""]
        alike = are_unit_files_alike(now.noted, (*left, *stale), unread)
    return replace(now, to_restart=left, unit_files_alike=alike, foreseen=effect)


def removes(operations: Iterable[OperationMeta], read: Sequence[str]) -> bool:
    """Whether the operations remove a file of ``read``, which leaves no timestamp to compare."""
    becoming = written_by(operations) or {}
    return any(content == "" and is_in(path, read) for path, content in becoming.items())


def _stale(noted: Mapping[str, str] | None, becoming: Mapping[str, str]) -> Iterator[str]:
    """The paths whose future content differs from that at the start of the process."""
    for path, content in becoming.items():
        if noted is None or noted.get(path, "") != content:
            yield path


def is_in(path: str, places: Iterable[str]) -> bool:
    """Whether ``path`` is one of these, or in a folder of these."""
    return any(path == place or path.startswith(f"{place}/") for place in places)
