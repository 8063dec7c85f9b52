"""A server of SFTP within the test, with the tree of a folder; nothing can be written there."""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import paramiko
from paramiko.common import AUTH_FAILED, AUTH_SUCCESSFUL, OPEN_SUCCEEDED
from paramiko.sftp import SFTP_NO_SUCH_FILE, SFTP_PERMISSION_DENIED


@dataclass
class Tree:
    """What the server shows, and to whom."""

    root: Path
    user: str
    opened_by: str
    """The public key that opens it, as ``TYPE BASE64``."""
    keys: tuple[paramiko.PKey, ...]
    """The server's own."""
    sftp: bool = True
    owners: dict[str, int] = field(default_factory=dict)
    """Path -> number of the account that it belongs to; root's if it is not named."""
    closed: tuple[str, ...] = ()
    """Paths that the account may not open or look at."""
    own_number: int | None = None
    """Of the account, as /proc tells it where that can be seen."""
    asked: list[str] = field(default_factory=list)


class _Login(paramiko.ServerInterface):
    def __init__(self, tree: Tree) -> None:
        self._tree = tree

    def get_allowed_auths(self, username: str) -> str:
        return "publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        told = (username, f"{key.get_name()} {key.get_base64()}")
        right = told == (self._tree.user, self._tree.opened_by)
        return AUTH_SUCCESSFUL if right else AUTH_FAILED

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return OPEN_SUCCEEDED


class _Files(paramiko.SFTPServerInterface):
    def __init__(self, server: Any, tree: Tree) -> None:
        super().__init__(server)
        self._tree = tree

    def stat(self, path: str) -> Any:
        self._tree.asked.append(f"stat {path}")
        if path == "/proc/self":
            if self._tree.own_number is None:
                return SFTP_NO_SUCH_FILE
            found = paramiko.SFTPAttributes()
            found.st_uid = found.st_gid = self._tree.own_number
            return found
        if path in self._tree.closed:
            return SFTP_PERMISSION_DENIED
        try:
            found = paramiko.SFTPAttributes.from_stat(self._real(path).stat())
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno or 0)
        found.st_uid = self._tree.owners.get(path, 0)
        return found

    lstat = stat

    def open(self, path: str, flags: int, attr: Any) -> Any:
        self._tree.asked.append(f"open {path}")
        if path in self._tree.closed or flags != os.O_RDONLY:
            return SFTP_PERMISSION_DENIED
        try:
            file = self._real(path).open("rb")
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno or 0)
        handle = paramiko.SFTPHandle(flags)
        handle.filename = path  # type: ignore[attr-defined]
        handle.readfile = file  # type: ignore[attr-defined]
        return handle

    def _real(self, path: str) -> Path:
        return self._tree.root / path.lstrip("/")


@contextmanager
def showing(tree: Tree) -> Iterator[int]:
    """The port of a server of ``tree`` on loopback."""
    open_: list[paramiko.Transport] = []

    def serve(listener: socket.socket) -> None:
        with suppress(OSError, EOFError, paramiko.SSHException):
            while True:
                line, _ = listener.accept()
                transport = paramiko.Transport(line)
                for key in tree.keys:
                    transport.add_server_key(key)
                if tree.sftp:
                    transport.set_subsystem_handler("sftp", paramiko.SFTPServer, _Files, tree)
                transport.start_server(event=threading.Event(), server=_Login(tree))
                open_.append(transport)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        yield int(listener.getsockname()[1])
        for transport in open_:
            transport.close()
