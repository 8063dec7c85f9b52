"""A user's requests to a Mattermost server and events from it, as the apps make them.

All errors become Unexpected: what was expected, and what was found.
"""

import json
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
import websocket

from mattermost_host.support.causes import cause_of
from mattermost_host.support.tls_adapter import TlsAdapter

ANSWER = 30.0  # seconds for one request, and for an event to arrive
_SHOWN = 200  # characters of a response that are shown in a message


class Unexpected(Exception):
    """What was expected and what was found, without secrets and without a full stop."""


class Client:
    """A user's HTTP requests, with a token, without cookies and without the environment's proxy."""

    def __init__(self, url: str, tls: ssl.SSLContext):
        self.url, self.tls = url, tls
        self.token = ""
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.mount("https://", TlsAdapter(tls))
        # The server would prefer a cookie to the token, and then require a CSRF header.
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))

    def log_in(self, name: str, password: str) -> None:
        """Get a token for all further requests."""
        user = {"login_id": name, "password": password}
        answer = self.ask("POST", "/users/login", 200, json=user)
        self.token = answer.headers.get("Token", "")
        if not self.token:
            raise Unexpected("expected a token in the header of the log-in's answer, found none")
        self._session.headers["Authorization"] = f"Bearer {self.token}"

    def log_out(self) -> None:
        """End the session."""
        self.ask("POST", "/users/logout", 200)

    def ask(self, method: str, path: str, expected: int, **content: Any) -> requests.Response:
        """The response of a call below /api/v4, which must have this status."""
        answer = self.send(method, path, **content)
        if answer.status_code != expected:
            raise Unexpected(difference(answer, expected))
        return answer

    def made(self, path: str, **content: Any) -> str:
        """The identifier of what a POST created."""
        return member(self.ask("POST", path, 201, **content), "id")

    def send(self, method: str, path: str, **content: Any) -> requests.Response:
        """The response, whatever its status."""
        address = f"{self.url}/api/v4{path}"
        try:
            return self._session.request(method, address, timeout=ANSWER, **content)
        except OSError as error:  # RequestException is one
            what = f"an answer of {method} {urlsplit(address).path}"
            raise Unexpected(f"expected {what}, found {_reason(error)}") from None


class Events:
    """A user's WebSocket, authenticated by the token."""

    def __init__(self, person: Client):
        parts = urlsplit(person.url)
        scheme = "wss" if parts.scheme == "https" else "ws"
        with _worded("an open WebSocket"):
            self._socket = websocket.create_connection(
                f"{scheme}://{parts.netloc}{parts.path}/api/v4/websocket",
                timeout=ANSWER,
                origin=f"{parts.scheme}://{parts.netloc}",
                sslopt={"context": person.tls},
                http_no_proxy=["*"],
            )
        try:
            self._authenticate(person.token)
        except Unexpected:
            self.close()
            raise

    def _authenticate(self, token: str) -> None:
        data = {"token": token}
        challenge = {"seq": 1, "action": "authentication_challenge", "data": data}
        with _worded("the WebSocket to take the token"):
            self._socket.send(json.dumps(challenge))
        self.await_message(
            "the WebSocket to accept the token",
            lambda message: message.get("seq_reply") == 1 and message.get("status") == "OK",
        )

    def await_message(self, what: str, wanted: Callable[[dict[str, Any]], bool]) -> None:
        """Read until the wanted message arrives; others are ignored."""
        end = time.monotonic() + ANSWER
        while (left := end - time.monotonic()) > 0:
            with _worded(what):
                self._socket.settimeout(left)
                text = self._socket.recv()
                if not text:
                    raise Unexpected(f"expected {what}, found a closed connection")
                message = json.loads(text)
            if wanted(message):
                return
        raise Unexpected(f"expected {what}, found nothing of it within {ANSWER:.0f} s")

    def close(self) -> None:
        """Close the connection in any state."""
        self._socket.close()


def trust(ca_file: Path | None) -> ssl.SSLContext:
    """A TLS context that trusts the CA certificates in ``ca_file``; None: this machine's.

    Raises Unexpected if the file can't be read.
    """
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:  # SSLError is one
        what = f"certificates of authorities in {ca_file}"
        raise Unexpected(f"expected {what}, found {_reason(error)}") from None


def content(answer: requests.Response) -> dict[str, Any]:
    """The JSON object of a response."""
    try:
        found = answer.json()
    except ValueError:
        found = None
    if not isinstance(found, dict):
        kind = answer.headers.get("Content-Type", "no content type")
        raise Unexpected(f"expected a JSON object of {_call(answer)}, found {kind}")
    return found


def member(answer: requests.Response, name: str) -> str:
    """A string in the JSON object of a response."""
    value = content(answer).get(name)
    if not isinstance(value, str):
        raise Unexpected(f"expected {name} in the answer of {_call(answer)}, found none")
    return value


def difference(answer: requests.Response, expected: int) -> str:
    """The expected and the found status, with the server's own message."""
    try:
        words = str(answer.json()["message"])[:_SHOWN]
    except (ValueError, KeyError, TypeError):
        words = answer.reason
    found = f"{answer.status_code} ({words.rstrip('.')})"
    return f"expected {expected} of {_call(answer)}, found {found}"


def _call(answer: requests.Response) -> str:
    return f"{answer.request.method} {urlsplit(answer.url).path}"


@contextmanager
def _worded(what: str) -> Iterator[None]:
    """Turn the WebSocket library's exceptions into Unexpected."""
    try:
        yield
    except websocket.WebSocketBadStatusException as error:
        raise Unexpected(f"expected {what}, found {error.status_code}") from None
    except (websocket.WebSocketException, OSError, ValueError) as error:
        raise Unexpected(f"expected {what}, found {_reason(error)}") from None


def _reason(error: BaseException) -> str:
    return cause_of(error) or str(error)[:_SHOWN].rstrip(".") or type(error).__name__
