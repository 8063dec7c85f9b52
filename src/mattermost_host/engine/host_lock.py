"""One run at a time changes a host, whichever control machine it comes from.

The lock is held by a command on the run's own connection, so it ends with the run, however that
ends. It is taken before the first change; a run that changes nothing takes none.
"""

import shlex
import subprocess
from typing import Any
from weakref import WeakKeyDictionary

from paramiko import Channel
from pyinfra.api import Host
from pyinfra.connectors.local import LocalConnector
from pyinfra.connectors.ssh import SSHConnector

from mattermost_host.engine.locks import this_run

FOLDER = "/run/mattermost-host"
LOCK = f"{FOLDER}/changing"
WAIT_S = 10
"""For the host to notice that the connection of a run that was killed has ended."""
HELD = "held"

_held: WeakKeyDictionary[Host, Any] = WeakKeyDictionary()
"""What keeps each host's lock: dropping it would end the connection's command."""


def script(holder: str) -> str:
    """Shell that holds the lock until its standard input ends; first it says how it went."""
    return f"""mkdir -p {FOLDER}; exec 9>>{LOCK}
flock -w {WAIT_S} 9 || {{ cat {LOCK}; exit 1; }}
printf %s {shlex.quote(holder)} >{LOCK}
echo {HELD}; exec cat >/dev/null"""


def take(host: Host, *, sudo: bool) -> str | None:
    """Hold the lock of ``host`` until this process ends. The other run's name where it is taken."""
    if host in _held:
        return None
    command = script(this_run().strip())
    argv = ["sudo", "-n", "sh", "-c", command] if sudo else ["sh", "-c", command]
    opened = _open(host, argv)
    if opened is None:
        return None  # a connection of another kind: only the control machine's own lock holds
    keeper, said = opened
    if said == HELD:
        _held[host] = keeper
        return None
    # Nothing at all is a sudo that wants a password; such a host is under the one lock only.
    return said or None


def _open(host: Host, argv: list[str]) -> tuple[Any, str] | None:
    """What keeps the command alive, and the first line it says; None where we know no way."""
    connector = host.connector
    if isinstance(connector, SSHConnector) and connector.client:
        transport = connector.client.get_transport()
        assert transport
        channel = transport.open_session()
        channel.exec_command(shlex.join(argv))
        return channel, _first_line(channel)
    if isinstance(connector, LocalConnector):
        pipe = subprocess.PIPE
        process = subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
        assert process.stdout
        return process, process.stdout.readline().strip()
    return None


def _first_line(channel: Channel) -> str:
    """By the channel itself: a file over it complains when Python ends."""
    said = b""
    while b"\n" not in said and (part := channel.recv(4096)):
        said += part
    return said.partition(b"\n")[0].decode(errors="replace").strip()
