"""The lock on a host: one run at a time changes it, from whichever control machine.

A command on the run's own connection holds it, so it is released when the run ends for any reason.
It is taken before the first change; a run that changes nothing does not take it.
"""

import shlex
from weakref import WeakKeyDictionary

from paramiko import SSHException
from pyinfra.api import Host
from pyinfra.api.exceptions import PyinfraError

from mattermost_host.engine import remote
from mattermost_host.engine.locks import this_run

LOCK = "/run/mattermost-host.lock"
"""In a folder of root's and closed to others, because whoever can open the file can lock it."""
PROGRAM_LOCK = "/run/mattermost-host-program.lock"
"""Held by a program on the host that outlives the run which started it, and that says its name
there: whoever has ``LOCK`` changes nothing while it is at work."""
WAIT_S = 10
"""Seconds that the host gets to notice the closed connection of a killed run."""
HELD, TAKEN = "held", "taken by"

_held: WeakKeyDictionary[Host, remote.Running] = WeakKeyDictionary()
"""The commands that hold the locks; without a reference they would end."""


def script(holder: str) -> str:
    """Shell script that prints whether it got the lock, and holds it until standard input ends."""
    return f"""umask 077; exec 9>>{LOCK} || exit
flock -w {WAIT_S} 9 || {{ echo "{TAKEN} $(cat {LOCK})"; exit 1; }}
(flock -n 8 || {{ echo "{TAKEN} $(cat {PROGRAM_LOCK})"; exit 1; }}) 8>>{PROGRAM_LOCK} || exit 1
printf %s {shlex.quote(holder)} >{LOCK}
echo {HELD}; exec cat >/dev/null"""


def take(host: Host) -> str | None:
    """Hold the lock of ``host`` until this process ends.

    Returns None, or why it could not be taken, as the predicate of a sentence about the host.
    """
    if host in _held:
        return None
    try:
        running = remote.start(host, script(this_run().strip()), lasting=True)
        if running is None:
            return None  # another kind of connection: only the control machine's lock applies
        said = remote.first_line(running)
    except (OSError, SSHException, PyinfraError) as error:
        return f"can't be locked for this run: {error}"
    if said == HELD:
        _held[host] = running
        return None
    if said.startswith(TAKEN):
        holder = said.removeprefix(TAKEN).strip() or "another run"
        return f"is being changed by {holder}; wait until that run has ended"
    running.end_input()
    return f"can't be locked for this run: {running.errors() or 'no answer as root'}"


def let_go(host: Host) -> None:
    """Give the lock of ``host`` back, where this process holds it: its run has ended."""
    if running := _held.pop(host, None):
        running.end_input()
