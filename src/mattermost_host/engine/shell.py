"""Shell scripts as a host runs them: one environment, a limit of time, several at the same time.

A script comes at the head of standard input, and data may follow it. So the login shell, whichever
it is, reads a few plain words only, and no process list and no journal of sudo shows the script.
"""

from collections.abc import Sequence
from typing import TypeVar

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
FIXED = f"LC_ALL=C PATH={PATH}; export LC_ALL PATH; unset LANGUAGE ENV BASH_ENV CDPATH; umask 022"
"""Whatever the host's language, sudo's secure_path and root's umask: begins every script."""
BEGIN = "=mattermost-host-begins="
"""What was printed before this line came from the login shell and is no part of an answer."""
PROGRESS = "=mattermost-host-says="
"""A line of output that begins with this is shown to the operator while the command runs."""
WAIT_S = 600
T = TypeVar("T")
AT_ONCE = 3
"""More gained nothing on hosts with two processors; each costs two processes."""


def sent(script: str) -> bytes:
    """What standard input begins with, for ``taking``. In braces: half of it runs nothing."""
    return f"{{\n{FIXED}\nprintf '\\n%s\\n' {BEGIN}\n{script}\n}}\n".encode()


def taking(script: bytes) -> tuple[str, ...]:
    """The words that run what ``sent`` gave, and leave what follows it to the script."""
    return "sh", "-c", f'eval "$(head -c {len(script)})"'


def limited(script: str, seconds: int) -> str:
    """``script`` in a shell of its own that is ended after a time; 124 says that it was.

    It has no standard input.
    """
    end = "=mattermost-host-script-ends="
    return f"timeout -k 5 {seconds} sh -s <<'{end}'\n{{\n{script}\n}} </dev/null\n{end}"


def exclusive(descriptor: int, holder: str) -> str:
    """A line of a script that waits for the lock of an open file, and says what holds it."""
    late = f"{holder} has not ended within {WAIT_S // 60} minutes; see what it waits for"
    return (
        f"flock -n {descriptor} || {{ echo '{PROGRESS}waiting for {holder}'; "
        f"flock -w {WAIT_S} {descriptor} || {{ echo '{late}' >&2; exit 1; }}; }}"
    )


def side_by_side(shares: Sequence[Sequence[str]]) -> str:
    """One script that runs the scripts of each share in order, and the shares at the same time.

    Each shell's output waits in a pipe until those before it have been printed, so nothing is
    left behind on the host, whatever ends the run.
    """
    shells = ["\n".join(share) for share in shares]
    together = shells[0] if shells else ":"
    for shell in shells[1:]:
        # The braces: a shell that reads its script from standard input reads all of it first.
        together = f"{{\n{shell}\n}} | {{\n{{\n{together}\n}} </dev/null\ncat\n}}"
    return f"{{\n{together}\n}} </dev/null"


def shares(items: Sequence[T], waiting: Sequence[T] = ()) -> list[list[T]]:
    """``items`` in ``AT_ONCE`` shares of about the same length; no two ``waiting`` ones in one."""
    count = max(AT_ONCE, len(waiting))
    length = -(-len(items) // count)
    dealt = [
        [*items[at * length : (at + 1) * length], *waiting[at : at + 1]] for at in range(count)
    ]
    return [share for share in dealt if share]
