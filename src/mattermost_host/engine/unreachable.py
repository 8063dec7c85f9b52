"""Why nobody can log in to a host by ssh, in a sentence that names the remedy.

pyinfra shows what paramiko says, which is "Could not connect ([Errno None] Unable to connect …)"
where a port is closed.
"""

import errno
import socket
import sys
from collections.abc import Callable, Mapping
from getpass import getpass
from typing import Any, NoReturn, TextIO

import paramiko
from pyinfra.api import Host
from pyinfra.api.exceptions import ConnectError, PyinfraError
from pyinfra.connectors import ssh, ssh_util
from pyinfra.connectors.sshuserclient import client as ssh_client

from mattermost_host.engine.refusals import LOG_IN, Refusal
from mattermost_host.support.errors import visible
from mattermost_host.support.paths import instead_of_file, is_file

ADDRESS = "ssh_hostname and ssh_port in the inventory"
SSH_PORT = 22
NUMBERS = ("port", "connecttimeout", "serveraliveinterval")
"""Options of ssh's configuration that pyinfra reads as whole numbers."""
NO_WAY = (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN)

PROBES = {"TCP_KEEPIDLE": 15, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 6, "TCP_USER_TIMEOUT": 45_000}
"""The kernel asks a host that is silent for so many seconds, so often in this distance and so many
times, and waits so many milliseconds for what it sent: one without power is given up after 45 s."""

NO_PASSPHRASE = Refusal(
    "the ssh key has a passphrase, and none was given",
    "Set ssh_key_password for the host, or use an ssh agent",
)


def give_up_when_silent(line: socket.socket) -> None:
    """Let a connection end when its host is gone; without that a command waits for it for ever."""
    line.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in PROBES.items():
        if hasattr(socket, name):
            line.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


class NotReached(ConnectError):
    """A host that nobody can log in to; ``refusal`` says why."""

    def __init__(self, refusal: Refusal) -> None:
        self.refusal = refusal
        super().__init__(visible(str(refusal)))


class Unprepared(paramiko.SSHException):
    """What this machine lacks before it can log in anywhere; ``refusal`` says it."""

    def __init__(self, found: str, remedy: str) -> None:
        self.refusal = Refusal(found, remedy)
        super().__init__(str(self.refusal))


def say_why() -> None:
    """Let pyinfra raise these sentences. Twice is as good as once."""
    ssh.raise_connect_error = _raise
    ssh_util.getpass = _passphrase


def _raise(host: Host, message: str, data: object) -> NoReturn:
    """In place of pyinfra's own, which it calls while it handles the error."""
    error = data if isinstance(data, BaseException) else sys.exc_info()[1]
    raise NotReached(of(host, error or ConnectError(f"{message} ({data})")))


def of(host: Host, error: BaseException) -> Refusal:
    """What ``error`` means, which was raised while ``host`` was being connected."""
    if isinstance(error, Unprepared):
        return error.refusal
    told = ssh_options(host.connector.data, _name(host))
    if isinstance(error, OSError):
        return _network(host, error, told)
    if isinstance(error, paramiko.AuthenticationException) or _offers_nothing(error):
        return _log_in(host, error, told)
    if isinstance(error, paramiko.BadHostKeyException):
        return _other_key(host, error, told)
    return _protocol(error, _place(host, told))


def ssh_options(data: Mapping[str, Any], hostname: str) -> Mapping[str, Any]:
    """What ssh's configuration says about a host, by the option's name in small letters.

    Raises Unprepared where it can't be used.
    """
    file = data["ssh_config_file"]
    if file and not is_file(file):
        instead = instead_of_file(file)
        found = f"ssh_config_file {file} is {instead}" if instead else f"there is no file {file}"
        raise Unprepared(found, "Correct ssh_config_file in the inventory (~ is not known)")
    named = file or "~/.ssh/config"
    try:
        config = ssh_client.get_ssh_config(file)
        told: Mapping[str, Any] = config.lookup(hostname) if config else {}
    except (OSError, ValueError, paramiko.SSHException) as error:
        reason = getattr(error, "strerror", None) or error
        raise Unprepared(f"{named} can't be read: {reason}", f"Correct {named}") from None
    for name in NUMBERS:
        if not str(told.get(name, "0")).isdecimal():
            found = f"{named} has {name} {told[name]!r} for {hostname}, which is no whole number"
            raise Unprepared(found, f"Correct {named}")
    return told


def logging_in(make: Callable[[], dict[str, Any]], key: str | None) -> dict[str, Any]:
    """What paramiko is told, by ``make``, which reads the inventory's ssh ``key``.

    Raises NotReached where the key can't be used.
    """
    try:
        return make()
    except NotReached:
        raise
    except (PyinfraError, ValueError, OSError) as error:
        reason = str(error) if isinstance(error, PyinfraError | OSError) else "not an ssh key"
        instead = instead_of_file(key) if key else ""
        reason = f"{key} is {instead}" if instead else reason
        remedy = "Correct ssh_key or ssh_key_password in the inventory"
        raise NotReached(Refusal(f"ssh_key can't be used: {reason}", remedy)) from None


def _passphrase(prompt: str = "", stream: TextIO | None = None) -> str:
    """pyinfra asks for it; where nobody can type one, that is a sentence."""
    if sys.stdin.isatty():
        return getpass(prompt, stream)
    raise NotReached(NO_PASSPHRASE)


def _name(host: Host) -> str:
    return str(host.connector.data["ssh_hostname"] or host.name)


def _port(host: Host, told: Mapping[str, Any]) -> int:
    return int(told.get("port") or host.connector.data["ssh_port"] or SSH_PORT)


def _place(host: Host, told: Mapping[str, Any]) -> str:
    place = f"{told.get('hostname') or _name(host)} port {_port(host, told)}"
    way = [told[one] for one in ("proxyjump", "proxycommand") if told.get(one)]
    return f"{place} (by way of {way[0]})" if way else place


def _network(host: Host, error: OSError, told: Mapping[str, Any]) -> Refusal:
    place = _place(host, told)
    causes = [error, *getattr(error, "errors", {}).values()]
    numbers = {cause.errno for cause in causes}
    if isinstance(error, socket.gaierror):
        return Refusal(
            f"the name {told.get('hostname') or _name(host)} does not resolve on this machine "
            f"({(error.strerror or 'no reason given').lower()})",
            "Correct the host's name, or write its address as ssh_hostname in the inventory",
        )
    if errno.ECONNREFUSED in numbers:
        return Refusal(
            f"{place} refuses connections: no ssh server listens there, or a firewall rejects them",
            f"Start sshd on the host, or correct {ADDRESS}",
        )
    if numbers & set(NO_WAY):
        return Refusal(
            f"this machine has no route to {place}, or the host is off",
            f"Start the host, look at this machine's network or VPN, or correct {ADDRESS}",
        )
    if isinstance(error, TimeoutError) or errno.ETIMEDOUT in numbers:
        return Refusal(
            f"{place} did not answer within {host.state.config.CONNECT_TIMEOUT} s: the host is "
            "off, or a firewall drops what is sent to it",
            f"Start the host, let this machine through the firewall, or correct {ADDRESS}",
        )
    reason = (error.strerror or type(error).__name__).lower()
    if error.filename:
        reason = f"{error.filename}: {reason}"
    return Refusal(f"the connection to {place} failed: {reason}", LOG_IN)


def _offers_nothing(error: BaseException) -> bool:
    return "No authentication methods available" in str(error)


def _log_in(host: Host, error: BaseException, told: Mapping[str, Any]) -> Refusal:
    data = host.connector.data
    user = told.get("user") or data["ssh_user"] or "this user's name"
    if isinstance(error, paramiko.PasswordRequiredException):
        return NO_PASSPHRASE
    if _offers_nothing(error):
        return Refusal(
            "this machine has neither an ssh key nor a password to log in with",
            "Write ssh_key for the host in the inventory, start an ssh agent, or make a key with "
            "ssh-keygen and add it there with ssh-copy-id",
        )
    offered = [what for key, what in _OFFERED.items() if data[key]]
    said = f"authentication failed: the host does not let {user} in with "
    said += " or ".join(offered) or "the keys of this machine"
    if allowed := getattr(error, "allowed_types", None):
        said += f"; it accepts {', '.join(allowed)}"
    return Refusal(
        said,
        "Correct ssh_user, ssh_key or ssh_password in the inventory, or add this machine's public "
        "key to the user's authorized_keys there with ssh-copy-id",
    )


_OFFERED = {"ssh_key": "the key of ssh_key", "ssh_password": "the password of ssh_password"}


def _other_key(host: Host, error: paramiko.BadHostKeyException, told: Mapping[str, Any]) -> Refusal:
    kind, name, port = error.key.get_name(), error.hostname, _port(host, told)
    if port != SSH_PORT and name == (told.get("hostname") or _name(host)):
        name = f"[{name}]:{port}"
    known = host.connector.data["ssh_known_hosts_file"]
    file = f" -f {known}" if known else ""
    return Refusal(
        f"the host key of {name} has changed: it shows {error.key.fingerprint} ({kind}), but "
        f"{error.expected_key.fingerprint} is known. Either the host was installed anew, or "
        "another machine answers in its place",
        "Compare it with 'for f in /etc/ssh/ssh_host_*_key.pub; do ssh-keygen -lf $f; done' on "
        f"the host's own console; if it is the same, forget the old one: ssh-keygen -R '{name}'"
        f"{file}",
    )


def _protocol(error: BaseException, place: str) -> Refusal:
    said = str(error) or type(error).__name__
    if "No host key for" in said:
        return Refusal(
            f"the host key of {place} is not known, and ssh_strict_host_key_checking is 'yes'",
            "Add the key to the file of known hosts (ssh-keyscan prints it; compare it with the "
            "host's own), or set ssh_strict_host_key_checking to 'accept-new'",
        )
    if isinstance(error, EOFError) or "protocol banner" in said:
        return Refusal(
            f"what listens at {place} does not answer as an ssh server: it is another service, or "
            "sshd has too many log-ins (MaxStartups), or bans this address",
            f"Correct {ADDRESS}, or see sshd's journal on the host",
        )
    if isinstance(error, paramiko.ssh_exception.IncompatiblePeer):
        return Refusal(
            f"the ssh server at {place} has no algorithm in common with this machine ({said})",
            "Update OpenSSH on the host",
        )
    if isinstance(error, paramiko.ChannelException):
        return Refusal(
            f"the jump host cannot connect to {place} ({error.text})",
            "See that sshd runs on the host, and that the jump host may forward "
            "(AllowTcpForwarding) and reaches it",
        )
    return Refusal(f"the ssh connection to {place} failed: {said}", LOG_IN)
