"""Which ssh host keys are trusted: known ones, and the first one of a new host.

For a new key pyinfra prints two warnings without its fingerprint, and it fails if there is no
folder ~/.ssh to save the key in.
"""

import functools
import os
import pwd
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from paramiko import PKey
from pyinfra import logger
from pyinfra.connectors.sshuserclient import client as ssh_client

from mattermost_host.engine.unreachable import Unprepared, ssh_options
from mattermost_host.support.paths import is_file

DEFAULT = "~/.ssh/known_hosts"
_keys_of = ssh_client.get_host_keys


def say_what_is_trusted() -> None:
    """Have pyinfra report a newly trusted key in one line. May be called repeatedly."""
    ssh_client.AcceptNewPolicy.missing_host_key = _trusted  # type: ignore[method-assign]
    ssh_client.get_host_keys = _known_keys


@functools.wraps(_keys_of)
def _known_keys(files: tuple[str, ...]) -> Any:
    """Keys from the known_hosts files that exist; pyinfra would warn of each missing one."""
    return _keys_of(tuple(one for one in files if is_file(one)))


def _trusted(policy: object, client: Any, hostname: str, key: PKey) -> None:
    """Trust a key and save it; without that, the next connection could be to another machine.

    It is the only thing that read-only commands write.
    """
    file = Path(client._host_keys_filename)
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.touch(mode=0o600)
        ssh_client.append_hostkey(client, hostname, key)  # type: ignore[no-untyped-call]
    except OSError as error:
        raise Unprepared(
            f"its ssh key {key.fingerprint} is not known, and {file} can't be written "
            f"({error.strerror}) to keep it",
            "Write ssh_known_hosts_file in the inventory",
        ) from None
    logger.warning(
        f"{hostname}: its ssh key {key.fingerprint} was not known and is trusted from now on "
        f"({client._host_keys_filename}); README, Host keys, says how to trust known keys only"
    )


def prepare(data: Mapping[str, Any], hostname: str, username: str | None) -> None:
    """Check that there is a user name and a place for the host key, before any connection.

    Raises SSHException, which becomes a sentence.
    """
    told = ssh_options(data, hostname)
    if not (username or told.get("user") or _user_has_a_name()):
        raise Unprepared(
            f"the user with id {os.geteuid()} has no name to log in by",
            "Write ssh_user in the inventory",
        )
    named = data["ssh_known_hosts_file"] or told.get("userknownhostsfile")
    keeps = data["ssh_strict_host_key_checking"] not in {"yes", "no", "off"}
    if keeps and not named and os.path.expanduser(DEFAULT) == DEFAULT:  # noqa: PTH111 - as pyinfra
        raise Unprepared(
            "there is no home folder in which to keep the host's key",
            "Set HOME, or write ssh_known_hosts_file in the inventory",
        )


def _user_has_a_name() -> bool:
    if any(os.environ.get(name) for name in ("LOGNAME", "USER", "LNAME", "USERNAME")):
        return True
    try:
        pwd.getpwuid(os.getuid())
    except KeyError:
        return False
    return True
