"""What a run has to have on the control machine before its first change.

A plan neither fetches nor writes; it only notes what the operations would need. Whoever carries
the plan out gets it first, so that a tarball that can't be had is heard of before any change.
"""

from collections.abc import Callable
from weakref import WeakKeyDictionary

from pyinfra.api import Host
from pyinfra.context import ctx_host

_noted: WeakKeyDictionary[Host, dict[str, Callable[[], object]]] = WeakKeyDictionary()


def note(get: Callable[[], object]) -> None:
    """Call ``get`` before the run of which the operation that is being evaluated is a part."""
    host: Host = ctx_host.get()  # type: ignore[no-untyped-call]
    if host.current_op_hash:
        _noted.setdefault(host, {})[host.current_op_hash] = get


def get_all(host: Host, operations: list[str]) -> None:
    """Get what these ``operations`` of ``host`` need; raises what the getting raises."""
    noted = _noted.get(host, {})
    for operation in operations:
        if operation in noted:
            noted[operation]()
