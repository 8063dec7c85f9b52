"""One run at a time changes a host, whichever control machine it comes from.

The lock is held by a command on the run's own connection, so it ends with the run, however that
ends. It is taken before the first change; a run that changes nothing takes none.
"""

import shlex
from weakref import WeakKeyDictionary

from paramiko import SSHException
from pyinfra.api import Host
from pyinfra.api.exceptions import PyinfraError

from mattermost_host.engine import remote
from mattermost_host.engine.locks import this_run

LOCK = "/run/mattermost-host.lock"
"""In a folder where only root makes files, and opened by nobody else: who can open it, can hold it.
"""
WAIT_S = 10
"""For the host to notice that the connection of a run that was killed has ended."""
HELD, TAKEN = "held", "taken by"

_held: WeakKeyDictionary[Host, remote.Running] = WeakKeyDictionary()
"""What keeps each host's lock: dropping it would end the connection's command."""


def script(holder: str) -> str:
    """Shell that holds the lock until its standard input ends; first it says how it went."""
    return f"""umask 077; exec 9>>{LOCK} || exit
flock -w {WAIT_S} 9 || {{ echo "{TAKEN} $(cat {LOCK})"; exit 1; }}
printf %s {shlex.quote(holder)} >{LOCK}
echo {HELD}; exec cat >/dev/null"""


def take(host: Host) -> str | None:
    """Hold the lock of ``host`` until this process ends.

    Why it could not be taken, as a clause of which the host is the subject.
    """
    if host in _held:
        return None
    try:
        running = remote.start(host, script(this_run().strip()), lasting=True)
        if running is None:
            return None  # a connection of another kind: only the control machine's own lock holds
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
