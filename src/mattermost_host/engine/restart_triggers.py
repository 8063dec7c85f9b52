"""What would restart or reload each unit: noted by ops/running, read by the repair of drift.

A plan foresees a restart from the host's state. Whether an operation may run at any hour needs the
opposite direction, too: whose files does it write?
"""

from collections.abc import Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from pyinfra.api import Host
from pyinfra.api.operation import OperationMeta
from pyinfra.context import ctx_host


@dataclass(frozen=True)
class Consequence:
    """A unit, and what it would be restarted or reloaded for."""

    unit: str
    at_start: tuple[str, ...]
    """Files, and folders with everything below, that it reads when it starts."""
    by_reload: tuple[str, ...]
    """Those that it is reloaded for."""
    operations: tuple[OperationMeta, ...]

    def follows_a_change_of(self, path: str, *, content: bool) -> bool:
        """Whether something follows a change of ``path``; of its ``content``, or its mode only."""
        paths = (*(self.at_start if content else ()), *self.by_reload)
        return any(path == read or path.startswith(f"{read}/") for read in paths)


_announced: WeakKeyDictionary[Host, list[Consequence]] = WeakKeyDictionary()


def announce(
    unit: str,
    at_start: Sequence[str],
    by_reload: Sequence[str],
    operations: Sequence[OperationMeta],
) -> None:
    """Note what ``unit`` of the host that is being prepared would be restarted or reloaded for."""
    host: Host = ctx_host.get()  # type: ignore[no-untyped-call]
    _announced.setdefault(host, []).append(
        Consequence(unit, tuple(at_start), tuple(by_reload), tuple(operations))
    )


def announced(host: Host) -> Sequence[Consequence]:
    """Everything noted for ``host``."""
    return _announced.get(host, ())
