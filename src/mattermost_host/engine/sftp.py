"""Files of another machine, by SFTP, as a host reaches it; they are only read.

The connection begins on the host (``tunnel``) and is spoken from here.
"""

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from paramiko import (
    AuthenticationException,
    ECDSAKey,
    Ed25519Key,
    PKey,
    RSAKey,
    SFTPClient,
    SSHException,
    Transport,
)
from pydantic import SecretStr
from pyinfra.api import Host

from mattermost_host.engine.tunnel import TIMEOUT_S, connection_from

KINDS: Sequence[type[PKey]] = (Ed25519Key, ECDSAKey, RSAKey)
ORDER = (
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "ssh-ed25519",
    "rsa-sha2-512",
    "rsa-sha2-256",
)
"""Types of a server's keys as libssh2 prefers them, which is what pgBackRest connects with."""


class SftpError(Exception):
    """What answers is no server of SFTP; the text says why, as it was told there."""


class NotLetIn(SftpError):
    """The account is not opened by the key."""


class NoFiles(SftpError):
    """The account has no SFTP."""


@dataclass(frozen=True)
class Login:
    """Where and how to log in."""

    address: str
    port: int
    user: str
    key: SecretStr
    """A private key in OpenSSH's format."""


@dataclass(frozen=True)
class Status:
    """A file or a folder."""

    mode: int
    owner: int
    """The number of the account that it belongs to."""


class Files:
    """The files that an account sees."""

    def __init__(self, client: SFTPClient) -> None:
        """``client`` is logged in."""
        self._client = client

    def status(self, path: str) -> Status | None:
        """None if there is no such path. Raises PermissionError."""
        try:
            found = self._client.stat(path)
        except FileNotFoundError:
            return None
        return Status(found.st_mode or 0, found.st_uid or 0)

    def content(self, path: str, most: int) -> bytes:
        """At most the first ``most`` bytes; none if there is no file. Raises PermissionError."""
        try:
            with self._client.open(path) as file:
                return file.read(most)
        except FileNotFoundError:
            return b""


@contextmanager
def files_of(host: Host, login: Login, recognise: Callable[[str], None]) -> Iterator[Files]:
    """The files that ``login`` opens, as ``host`` reaches them.

    ``recognise`` gets the server's public key, ``TYPE BASE64``, before anything else is said there,
    and raises where it is another's. Raises TunnelError, SftpError, and TimeoutError.
    """
    with connection_from(host, login.address, login.port) as line:
        transport = Transport(line)
        transport.banner_timeout = transport.auth_timeout = TIMEOUT_S
        try:
            with _told():
                transport.get_security_options().key_types = ORDER
                transport.start_client(timeout=TIMEOUT_S)
                key = transport.get_remote_server_key()
            recognise(f"{key.get_name()} {key.get_base64()}")
            with _told():
                transport.auth_publickey(login.user, _private(login.key.get_secret_value()))
            with _opened(transport) as client, _told():
                yield Files(client)
        finally:
            transport.close()


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except AuthenticationException as error:
        raise NotLetIn(str(error)) from None
    except (FileNotFoundError, PermissionError, TimeoutError):
        raise
    except (SSHException, OSError, EOFError) as error:
        raise SftpError(str(error) or type(error).__name__) from None


@contextmanager
def _opened(transport: Transport) -> Iterator[SFTPClient]:
    try:
        client = SFTPClient.from_transport(transport)
    except (SSHException, EOFError) as error:
        raise NoFiles(str(error)) from None
    if client is None:
        raise NoFiles("no channel was opened")
    with client:
        channel = client.get_channel()
        assert channel  # it was opened above
        channel.settimeout(TIMEOUT_S)
        yield client


def _private(text: str) -> PKey:
    for kind in KINDS:
        try:
            return kind.from_private_key(io.StringIO(text.strip() + "\n"))
        except SSHException:
            continue
    raise SSHException("the private key is of a type that is not spoken here")
