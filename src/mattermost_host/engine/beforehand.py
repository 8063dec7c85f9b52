"""What a run needs on the control machine before its first change, such as a release.

A plan fetches and writes nothing; its operations only note what they would need. A run fetches that
first, so that a missing tarball is reported before anything is changed.
"""

from collections.abc import Callable
from weakref import WeakKeyDictionary

from pyinfra.api import Host
from pyinfra.context import ctx_host

_noted: WeakKeyDictionary[Host, dict[str, Callable[[], object]]] = WeakKeyDictionary()


def note(get: Callable[[], object]) -> None:
    """Have ``get`` called before a run that contains the operation that is being evaluated."""
    host: Host = ctx_host.get()  # type: ignore[no-untyped-call]
    if host.current_op_hash:
        _noted.setdefault(host, {})[host.current_op_hash] = get


def get_all(host: Host, operations: list[str]) -> None:
    """Fetch what these ``operations`` of ``host`` need; exceptions are passed on."""
    noted = _noted.get(host, {})
    for operation in operations:
        if operation in noted:
            noted[operation]()
