"""bin/mmctl --local: a few commands over the socket of local mode."""

from __future__ import annotations

import http.client
import json
import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

DEFAULT_SOCKET = "/var/tmp/mattermost_local.socket"
USAGE = "usage: mmctl --local [system status | system version | user list]"
_TRUE = {"1", "t", "true"}
_TIMEOUT = 30  # seconds


class Refused(Exception):
    """Why the server could not be asked."""


class _Local(http.client.HTTPConnection):
    def __init__(self, place: str):
        super().__init__("local", timeout=_TIMEOUT)
        self._place = place

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._place)


def main(arguments: Sequence[str]) -> int:
    """The exit status: 0, or 1 with the reason on stderr."""
    words = [word for word in arguments if word != "--local"]
    local = len(words) < len(arguments) or os.environ.get("MMCTL_LOCAL", "").lower() in _TRUE
    commands = {
        "system status": _status,
        "system version": _version,
        "user list": _users,
    }
    command = commands.get(" ".join(words))
    if command is None:
        print(USAGE, file=sys.stderr)
        return 1
    try:
        if not local:
            raise Refused("the stand-in's mmctl speaks local mode only: add --local")
        command()
    except Refused as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    return 0


def _status() -> None:
    answer, _ = _ask("/api/v4/system/ping?get_server_status=true")
    print(f"Server status: {answer['status']}")
    print(f"Database Status: {answer['database_status']}")
    print(f"Filestore Status: {answer['filestore_status']}")


def _version() -> None:
    _, version = _ask("/api/v4/system/ping")
    print(f"Server version {version}")


def _users() -> None:
    users, _ = _ask("/api/v4/users?per_page=200")
    for user in users:
        print(f"{user['id']}: {user['username']} ({user['email']})")
    print(f"There are {len(users)} users on local instance")


def _ask(path: str) -> tuple[Any, str]:
    place = os.environ.get("MMCTL_LOCAL_SOCKET_PATH") or DEFAULT_SOCKET
    if not Path(place).is_socket():
        raise Refused(
            f'socket file "{place}" doesn\'t exist, please check the server configuration '
            "for local mode"
        )
    connection = _Local(place)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        content = json.loads(response.read())
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise Refused(f"no answer from {place}: {error}") from None
    if response.status not in {200, 500}:
        raise Refused(f"{path}: {response.status}: {content.get('message', '')}")
    return content, response.headers.get("X-Version-Id", "").removesuffix(".false")
