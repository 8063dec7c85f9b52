"""Pushes BENCH_FILE to BENCH_DESTINATION on every host with our own upload; notes when."""

import os
import time
from collections.abc import Generator
from pathlib import Path

from pyinfra.api import FunctionCommand, operation

from mattermost_host.engine.push import push


@operation()
def pushed(source: Path, destination: str, times: Path) -> Generator[FunctionCommand, None, None]:
    """Push, and append a line with the seconds at which it began and ended."""
    start = time.monotonic()
    yield push(source, destination)
    with times.open("a", encoding="utf-8") as stream:
        stream.write(f"{start} {time.monotonic()}\n")


pushed(
    name="the file is pushed",
    source=Path(os.environ["BENCH_FILE"]),
    destination=os.environ["BENCH_DESTINATION"],
    times=Path(os.environ["BENCH_TIMES"]),
)
