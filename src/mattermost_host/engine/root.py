"""How to run a command as root: one way for operations, questions, uploads and locks.

Passwords are sent on standard input, before everything else: in an argument, where pyinfra puts
them, any user of the host could read them.
"""

import os
from collections.abc import Iterable, Mapping
from typing import Any

from pyinfra.api import Host, QuoteString, StringCommand
from pyinfra.api.arguments import auth_argument_meta, pop_global_arguments
from pyinfra.connectors.local import LocalConnector
from pyinfra.connectors.ssh import SSHConnector

END = "=mattermost-host-password-ends="
# If sudo asks for no password, the command would read it, so it skips to the END line.
SKIP = f'until [ "$line" = {END} ]; do IFS= read -r line || exit 1; done; exec "$@"'
CLEAN = ("env", "-i", "HOME=/root", "LOGNAME=root", "USER=root")
"""The part of the environment that sudo would keep, for commands of this machine's root."""


def arguments_of(host: Host) -> dict[str, Any]:
    """pyinfra's arguments for becoming root on ``host``, from the inventory and config.py."""
    told, _ = pop_global_arguments(host.state, host, {})
    return {key: value for key, value in dict(told).items() if key in auth_argument_meta}


def command(host: Host, inner: StringCommand, arguments: Mapping[str, Any]) -> StringCommand:
    """The command that runs ``inner`` (words without shell syntax) as the user in ``arguments``."""
    made = inner
    if password(host, arguments):
        made = StringCommand("sh", "-c", QuoteString(SKIP), "sh", made)
    if arguments.get("_su_user"):
        made = StringCommand(*_quoted(_su(arguments)), QuoteString(made))
    if _needs_sudo(host, arguments):
        with_password = bool(password(host, arguments))
        made = StringCommand(*_quoted(_sudo(arguments, with_password=with_password)), made)
    elif arguments.get("_sudo") and isinstance(host.connector, LocalConnector):
        made = StringCommand(*_quoted(CLEAN), made)
    for other in ("dzdo", "doas"):
        if arguments.get(f"_{other}"):
            user = arguments.get(f"_{other}_user")
            made = StringCommand(other, "-n", *_quoted(["-u", user] if user else []), made)
    # LC_ALL=C: the messages of sudo and su are parsed, whatever the host's language.
    return made if made is inner else StringCommand("env", "LC_ALL=C", made)


def _quoted(words: Iterable[str]) -> list[QuoteString]:
    return [QuoteString(word) for word in words]


def password_lines(host: Host, arguments: Mapping[str, Any]) -> str:
    """The beginning of standard input for ``command`` with the same arguments."""
    told = password(host, arguments)
    return f"{told}\n{END}\n" if told else ""


def password(host: Host, arguments: Mapping[str, Any]) -> str:
    """The password for sudo or su; su as root needs none."""
    if _needs_sudo(host, arguments):
        told = arguments.get("_sudo_password") or host.connector_data.get("prompted_sudo_password")
        return str(told or "")
    if arguments.get("_su_user") and not is_root(host):
        return str(arguments.get("_su_password") or "")
    return ""


def is_root(host: Host) -> bool:
    """Whether the user who logs in is root, who needs no sudo (it may not be installed)."""
    if isinstance(host.connector, LocalConnector):
        return os.geteuid() == 0
    if isinstance(host.connector, SSHConnector) and host.connector.client:
        transport = host.connector.client.get_transport()
        return transport is not None and transport.get_username() == "root"
    return False


def _needs_sudo(host: Host, arguments: Mapping[str, Any]) -> bool:
    user = arguments.get("_sudo_user") or "root"
    return bool(arguments.get("_sudo")) and not (user == "root" and is_root(host))


def _sudo(arguments: Mapping[str, Any], *, with_password: bool) -> list[str]:
    user = arguments.get("_sudo_user")
    return [
        "sudo",
        "-H",
        # No prompt and the password from standard input, even if sudo remembers one; or never ask.
        *(["-S", "-k", "-p", ""] if with_password else ["-n"]),
        *(["-i"] if arguments.get("_use_sudo_login") else []),
        *(["-E"] if arguments.get("_preserve_sudo_env") else []),
        *(["-u", user] if user else []),
    ]


def _su(arguments: Mapping[str, Any]) -> list[str]:
    shell = arguments.get("_su_shell")
    return [
        "su",
        *(["-l"] if arguments.get("_use_su_login") else []),
        *(["-m"] if arguments.get("_preserve_su_env") else []),
        *(["-s", shell if "/" in shell else f"/bin/{shell}"] if shell else []),
        arguments["_su_user"],
        "-c",
    ]
