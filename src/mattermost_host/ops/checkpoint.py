"""An operation that only orders: all hosts reach it before any goes on."""

from collections.abc import Generator

from pyinfra import host
from pyinfra.api import StringCommand, operation

from mattermost_host.engine.questions import others_may_have_changed


@operation()
def checkpoint() -> Generator[StringCommand, None, None]:
    """Wait for every host of the site. pyinfra orders hosts only by operations they share.

    What was learnt of a host before another one was changed is void.
    """
    others_may_have_changed()
    host.noop("reached")
    yield from ()
