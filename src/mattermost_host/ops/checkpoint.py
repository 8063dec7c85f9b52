"""An operation that only orders: all hosts reach it before any goes on."""

from collections.abc import Generator

from pyinfra import host
from pyinfra.api import StringCommand, operation


@operation()
def checkpoint() -> Generator[StringCommand, None, None]:
    """Wait for every host of the site. pyinfra orders hosts only by operations they share."""
    host.noop("reached")
    yield from ()
