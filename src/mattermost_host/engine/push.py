"""A large file to a host, at the speed of the line.

pyinfra's own upload, in Python, was measured at a third of scp's speed; OpenSSH's client is used
where it can log in by itself. The file is written by the same user who runs everything else.
"""

import shlex
import subprocess
from pathlib import Path
from typing import Any

from pyinfra import logger
from pyinfra.api import FunctionCommand, Host, QuoteString, State, StringCommand
from pyinfra.connectors.ssh import SSHConnector

from mattermost_host.engine import openssh, remote, root
from mattermost_host.support.errors import OperatorError


def push(source: Path, destination: str) -> FunctionCommand:
    """Write ``source`` to ``destination`` on the host, 0600 from the first byte."""
    return FunctionCommand(_push, (source, destination), {})


def _push(state: State, host: Host, source: Path, destination: str) -> bool:
    write = f"umask 077; cat > {shlex.quote(destination)}"
    if _by_openssh(host, source, write):
        return True
    if not remote.is_possible(host):
        return bool(host.put_file(str(source), destination, **root.arguments_of(host)))
    # By a password, or with a key that OpenSSH does not find: the connection that is open already.
    try:
        answer = remote.run(host, write, lambda send: _send(source, send))
    except OperatorError as error:
        logger.error(f"{host.print_prefix}{error}")
        return False
    if answer.errors:
        logger.error(f"{host.print_prefix}{answer.errors}")
    return answer.status == 0


def _by_openssh(host: Host, source: Path, write: str) -> bool:
    arguments = root.arguments_of(host)
    data: dict[str, Any] = host.data.dict()  # type: ignore[no-untyped-call]
    if not isinstance(host.connector, SSHConnector) or data.get("ssh_password"):
        return False
    if root.password(host, arguments):
        return False
    # Plain words for any login shell: the path is one that we made up.
    words = StringCommand("sh", "-c", QuoteString(write))
    command = root.command(host, words, arguments).get_raw_value()
    with source.open("rb") as stream:
        done = subprocess.run(
            [*openssh.command(host.name, data), command],
            stdin=stream,
            capture_output=True,
            check=False,
        )
    return done.returncode == 0


def _send(source: Path, send: remote.Send) -> None:
    with source.open("rb") as stream:
        while part := stream.read(remote.CHUNK_BYTES):
            send(part)
