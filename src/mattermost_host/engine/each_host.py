"""Ask many hosts in parallel, and tell local from remote ones."""

from collections.abc import Callable, Sequence
from typing import TypeVar, cast

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
    """Call a function for ``hosts`` in parallel; each is pyinfra's current host meanwhile.

    With a greenlet pool of its own: while deploys are prepared, pyinfra's is full of greenlets that
    wait for this call. An error is raised here, after all have ended: gevent prints the traceback
    of a greenlet that fails.
    """
    errors: list[Exception] = []

    def one(host: Host) -> Answer | None:
        before = ctx_host.get()  # type: ignore[no-untyped-call]
        ctx_host.set(host)  # type: ignore[no-untyped-call]
        try:
            return question(host)
        except Exception as error:
            errors.append(error)
            return None
        finally:
            ctx_host.set(before)  # type: ignore[no-untyped-call]

    answers = list(Pool(AT_ONCE).map(one, hosts))
    if errors:
        raise errors[0]
    return cast(list[Answer], answers)


def connect(host: Host) -> Refusal | None:
    """Connect to ``host`` unless it is connected; returns the reason if that failed."""
    try:
        if not host.connected:
            host.connect(show_errors=False, raise_exceptions=True)
    except NotReached as error:
        return error.refusal
    except PyinfraError as error:
        return Refusal(str(error), LOG_IN)
    return None


def is_this_machine(host: Host) -> bool:
    """Whether ``host`` is ``@local``, the machine that this runs on."""
    return isinstance(host.connector, LocalConnector)
