"""The cause of a failed connection, by real libraries against what does not answer."""

import socket
from collections.abc import Callable
from contextlib import closing

import pytest
import requests

from mattermost_host.support.causes import cause_of


def _get(url: str, **more: object) -> None:
    session = requests.Session()
    session.trust_env = False
    session.get(url, timeout=0.2, **more)  # type: ignore[arg-type]


def _closed_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as one:
        port: int = one.getsockname()[1]
        return port


def _silent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        _get(f"http://127.0.0.1:{server.getsockname()[1]}/")


def _through_a_proxy_that_is_not_there() -> None:
    proxies = {"http": f"http://127.0.0.1:{_closed_port()}"}
    _get("http://192.0.2.1/", proxies=proxies)


@pytest.mark.parametrize(
    ("work", "words"),
    [
        (lambda: _get(f"http://127.0.0.1:{_closed_port()}/"), "connection refused"),
        (lambda: socket.getaddrinfo("nowhere.invalid", 443), "the name does not resolve"),
        (_silent, "no answer in time"),
        (_through_a_proxy_that_is_not_there, "the proxy of this machine refuses it"),
        (lambda: int("x"), ""),
    ],
    ids=["refused", "name", "silent", "proxy", "another error"],
)
def test_the_cause(work: Callable[[], object], words: str) -> None:
    with pytest.raises((OSError, ValueError)) as raised:
        work()
    assert cause_of(raised.value) == words
