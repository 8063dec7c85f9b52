"""A large file to a host, at the speed of the line.

pyinfra's own upload, in Python, was measured at a third of scp's speed; OpenSSH's client is used
where it can log in by itself. The file is written by the same user who runs everything else.
"""

import shlex
import subprocess
from pathlib import Path
from typing import Any

from pyinfra.api import FunctionCommand, Host, State
from pyinfra.connectors.ssh import SSHConnector

from mattermost_host.engine import openssh


def push(source: Path, destination: str) -> FunctionCommand:
    """Write ``source`` to ``destination`` on the host, 0600 from the first byte."""
    return FunctionCommand(_push, (source, destination), {})


def _push(state: State, host: Host, source: Path, destination: str) -> bool:
    sudo = bool(state.config.SUDO)
    direct = isinstance(host.connector, SSHConnector) and not host.data.get("ssh_password")
    if direct and _by_openssh(host, source, destination, sudo):
        return True
    # By password, through a jump, or as root by sudo's password: pyinfra knows its way.
    return bool(host.put_file(str(source), destination, _sudo=sudo))


def _by_openssh(host: Host, source: Path, destination: str, sudo: bool) -> bool:
    write = f"umask 077; cat > {shlex.quote(destination)}"
    remote = f"sudo -n sh -c {shlex.quote(write)}" if sudo else write
    data: dict[str, Any] = host.data.dict()  # type: ignore[no-untyped-call]
    with source.open("rb") as stream:
        done = subprocess.run(
            [*openssh.command(host.name, data), remote],
            stdin=stream,
            capture_output=True,
            check=False,
        )
    return done.returncode == 0
