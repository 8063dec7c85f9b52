"""Which files restart or reload each unit: noted by ops/running, read by the repair of drift.

A plan predicts restarts from the host's state. To decide whether a repair may run at any hour, the
opposite is needed, too: whose files does an operation write?
"""

from collections.abc import Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from pyinfra.api import Host
from pyinfra.api.operation import OperationMeta
from pyinfra.context import ctx_host


@dataclass(frozen=True)
class Consequence:
    """A unit, and the files whose change would restart or reload it."""

    unit: str
    at_start: tuple[str, ...]
    """Files that it reads when it starts; folders stand for everything below them."""
    by_reload: tuple[str, ...]
    """Those that it reads again at a reload."""
    operations: tuple[OperationMeta, ...]

    def follows_a_change_of(self, path: str, *, content: bool) -> bool:
        """Whether a change of ``path`` leads to a restart or reload.

        ``content``: whether its content would change, or only its mode or owner.
        """
        paths = (*(self.at_start if content else ()), *self.by_reload)
        return any(path == read or path.startswith(f"{read}/") for read in paths)


_announced: WeakKeyDictionary[Host, list[Consequence]] = WeakKeyDictionary()


def announce(
    unit: str,
    at_start: Sequence[str],
    by_reload: Sequence[str],
    operations: Sequence[OperationMeta],
) -> None:
    """Note the files that would restart or reload ``unit`` of the host that is being prepared."""
    host: Host = ctx_host.get()  # type: ignore[no-untyped-call]
    _announced.setdefault(host, []).append(
        Consequence(unit, tuple(at_start), tuple(by_reload), tuple(operations))
    )


def announced(host: Host) -> Sequence[Consequence]:
    """Everything noted for ``host``."""
    return _announced.get(host, ())
