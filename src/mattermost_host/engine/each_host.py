"""Asking many hosts at once, and what kind of host one is."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from gevent.pool import Pool
from pyinfra.api import Host
from pyinfra.api.exceptions import PyinfraError
from pyinfra.connectors.local import LocalConnector
from pyinfra.context import ctx_host

from mattermost_host.engine.refusals import LOG_IN, Refusal
from mattermost_host.engine.unreachable import NotReached

AT_ONCE = 30

Answer = TypeVar("Answer")


def ask(hosts: Sequence[Host], question: Callable[[Host], Answer]) -> list[Answer]:
    """The answers of ``hosts``, in their order; each is pyinfra's current host while it is asked.

    The pool is our own: while deploys are prepared, pyinfra's is filled by the very greenlets that
    wait for this.
    """

    def one(host: Host) -> Answer:
        before = ctx_host.get()  # type: ignore[no-untyped-call]
        ctx_host.set(host)  # type: ignore[no-untyped-call]
        try:
            return question(host)
        finally:
            ctx_host.set(before)  # type: ignore[no-untyped-call]

    return list(Pool(AT_ONCE).map(one, hosts))


def connect(host: Host) -> Refusal | None:
    """Connect to ``host`` where that was not done yet; why it failed."""
    try:
        if not host.connected:
            host.connect(show_errors=False, raise_exceptions=True)
    except NotReached as error:
        return error.refusal
    except PyinfraError as error:
        return Refusal(str(error), LOG_IN)
    return None


def is_this_machine(host: Host) -> bool:
    """Whether ``host`` is ``@local``."""
    return isinstance(host.connector, LocalConnector)
