"""An operation that only synchronises: all hosts reach it before any of them continues."""

from collections.abc import Generator

from pyinfra import host
from pyinfra.api import StringCommand, operation

from mattermost_host.engine.questions import others_may_have_changed


@operation()
def checkpoint() -> Generator[StringCommand, None, None]:
    """Wait for every host of the site; pyinfra synchronises hosts only at operations they share.

    Answers of a host are invalidated if another host was changed since they were given.
    """
    others_may_have_changed()
    host.noop("reached")
    yield from ()
