"""Operations on one host after the other: after a failure the next hosts are left alone."""

from typing import cast

from pyinfra import state
from pyinfra.api import Host
from pyinfra.context import ctx_host


def failed_before() -> str | None:
    """Name of a host on which the operation that is being executed has failed already."""
    current = cast(Host, ctx_host.get())  # type: ignore[no-untyped-call]
    digest = current.current_op_hash
    if not state.is_executing or digest is None:
        return None
    for other in state.inventory.get_active_hosts():
        data = state.ops[other].get(digest) if other is not current else None
        if data and data.operation_meta.is_complete() and not data.operation_meta.did_succeed():
            return other.name
    return None
