"""Commands of this machine, with an error that shows what they said."""

import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path


class CommandFailed(RuntimeError):
    """A command ended with another status than 0; the message holds its output."""


class Waited(AssertionError):
    """Something that was waited for did not come true in time."""


def run(
    argv: Sequence[str],
    *,
    stdin: str | None = None,
    check: bool = True,
    timeout: float = 600,
    cwd: str | Path | None = None,
    shown: str | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run `argv` for at most `timeout` seconds; CommandFailed names it as `shown` if given."""
    done = subprocess.run(
        argv,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        cwd=cwd,
    )
    if check and done.returncode:
        raise CommandFailed(
            f"{shown or ' '.join(argv)}: exit status {done.returncode}\n"
            f"{done.stdout}{done.stderr}".rstrip()
        )
    return done


def wait_until(
    predicate: Callable[[], object], timeout: float, what: str, interval: float = 0.1
) -> float:
    """Ask `predicate` until it holds; the seconds it took. Waited says what did not happen."""
    start = time.monotonic()
    while not predicate():
        if time.monotonic() - start > timeout:
            raise Waited(f"waited {timeout:g} s in vain: {what}")
        time.sleep(interval)
    return time.monotonic() - start
