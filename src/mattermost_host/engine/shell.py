"""Shell scripts for hosts: a fixed environment, a time limit, several at the same time.

A script is the beginning of standard input, and data may follow it. So the login shell, whichever
it is, reads a few simple words only, and the script shows up in no process list and no journal of
sudo.
"""

from collections.abc import Sequence
from typing import TypeVar

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
FIXED = f"LC_ALL=C PATH={PATH}; export LC_ALL PATH; unset LANGUAGE ENV BASH_ENV CDPATH; umask 022"
"""Begins every script: fixed locale, PATH and umask, whatever the host's are."""
BEGIN = "=mattermost-host-begins="
"""The login shell printed what comes before this line; it is no part of the output."""
PROGRESS = "=mattermost-host-says="
"""Output lines with this prefix are shown to the operator while the command runs."""
VERDICT = "In the end: "
"""A last line of errors that begins with this says how a host was left: it takes the place of the
advice to correct something and run again."""
WAIT_S = 600
T = TypeVar("T")
AT_ONCE = 3
"""Shells at the same time. More were no faster on two processors; each costs two processes."""


def sent(script: str) -> bytes:
    """The beginning of standard input, for ``taking``. In braces: half a script runs nothing."""
    return f"{{\n{FIXED}\nprintf '\\n%s\\n' {BEGIN}\n{script}\n}}\n".encode()


def taking(script: bytes) -> tuple[str, ...]:
    """The command that runs the script of ``sent`` and leaves it the rest of standard input."""
    return "sh", "-c", f'eval "$(head -c {len(script)})"'


def limited(script: str, seconds: int) -> str:
    """``script`` in a shell of its own, with a time limit (exit status 124) and without stdin."""
    end = "=mattermost-host-script-ends="
    return f"timeout -k 5 {seconds} sh -s <<'{end}'\n{{\n{script}\n}} </dev/null\n{end}"


def exclusive(descriptor: int, holder: str) -> str:
    """A line of a script that waits for the lock of an open file, and reports what holds it."""
    late = f"{holder} has not ended within {WAIT_S // 60} minutes; see what it waits for"
    return (
        f"flock -n {descriptor} || {{ echo '{PROGRESS}waiting for {holder}'; "
        f"flock -w {WAIT_S} {descriptor} || {{ echo '{late}' >&2; exit 1; }}; }}"
    )


def side_by_side(shares: Sequence[Sequence[str]]) -> str:
    """A script that runs the shares at the same time, and the scripts of each share in order.

    Each shell's output waits in a pipe until the previous ones have been printed. There are no
    temporary files that an aborted run could leave behind.
    """
    shells = ["\n".join(share) for share in shares]
    together = shells[0] if shells else ":"
    for shell in shells[1:]:
        # The braces make the shell read the whole script before it runs any of it.
        together = f"{{\n{shell}\n}} | {{\n{{\n{together}\n}} </dev/null\ncat\n}}"
    return f"{{\n{together}\n}} </dev/null"


def shares(items: Sequence[T], waiting: Sequence[T] = ()) -> list[list[T]]:
    """``items`` in ``AT_ONCE`` shares of about the same length; ``waiting`` ones are kept apart."""
    count = max(AT_ONCE, len(waiting))
    length = -(-len(items) // count)
    dealt = [
        [*items[at * length : (at + 1) * length], *waiting[at : at + 1]] for at in range(count)
    ]
    return [share for share in dealt if share]
