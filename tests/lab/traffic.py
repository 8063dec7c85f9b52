"""Forty requests a second through the proxy, half of them posts, and what became of each.

Each is made at its time, whatever became of those before, on a connection of its own. Afterwards
the channel is read: each post that was acknowledged is there once.
"""

import http.client
import json
import ssl
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from mattermost_host.verify.api_client import content
from tests.lab.deployment import Deployment

RATE = 40
AT_ONCE = 600
PATIENCE_S = 120
PAGE = 200


@dataclass
class Seen:
    """What became of the requests."""

    answers: Counter[str] = field(default_factory=Counter)
    """By what was asked and its status, or the error's name."""
    slowest: float = 0.0
    acknowledged: list[str] = field(default_factory=list)
    """The messages of posts that were answered with 201."""
    moments: list[float] = field(default_factory=list)
    """When they were answered (time.monotonic)."""

    @property
    def longest_gap(self) -> float:
        """The longest time (s) in which no post was acknowledged."""
        moments = sorted(self.moments)
        return max((late - early for early, late in pairwise(moments)), default=float("inf"))

    @property
    def failed(self) -> dict[str, int]:
        """Those that were not answered as they should be."""
        right = ("POST 201", "GET 200")
        return {what: count for what, count in self.answers.items() if what not in right}


class Traffic:
    """Requests of the administrator, from the beginning of a block to its end."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self.seen = Seen()
        self._lock = threading.Lock()
        self._enough = threading.Event()
        self._tls = ssl.create_default_context(cafile=str(deployment.authority_file))
        with deployment.administrator() as person:
            self._token = person.token
            self._me = content(person.ask("GET", "/users/me", 200))["id"]
            self._channel = person.made("/channels/direct", json=[self._me, self._me])
        self._run = f"{time.time():.0f}"
        self._thread = threading.Thread(target=self._send_all)

    def __enter__(self) -> Seen:
        self._thread.start()
        time.sleep(2)
        return self.seen

    def __exit__(self, *_: object) -> None:
        time.sleep(2)
        self._enough.set()
        self._thread.join()

    def _send_all(self) -> None:
        begin, number = time.monotonic(), 0
        with ThreadPoolExecutor(AT_ONCE) as pool:
            while not self._enough.is_set():
                time.sleep(max(0.0, begin + number / RATE - time.monotonic()))
                pool.submit(self._send, number)
                number += 1

    def _send(self, number: int) -> None:
        verb = "POST" if number % 2 else "GET"
        message = f"{self._run}-{number}"
        start = time.monotonic()
        try:
            status = str(self._answer(verb, message))
        except (OSError, http.client.HTTPException) as error:
            status = type(error).__name__
        with self._lock:
            self.seen.answers[f"{verb} {status}"] += 1
            self.seen.slowest = max(self.seen.slowest, time.monotonic() - start)
            if f"{verb} {status}" == "POST 201":
                self.seen.acknowledged.append(message)
                self.seen.moments.append(time.monotonic())

    def _answer(self, verb: str, message: str) -> int:
        name = self._deployment.name
        line = _Line(name, self._deployment.host.address, self._tls)
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        body = json.dumps({"channel_id": self._channel, "message": message})
        try:
            if verb == "POST":
                line.request("POST", "/api/v4/posts", body=body, headers=headers)
            else:
                line.request("GET", f"/api/v4/users/{self._me}", headers=headers)
            answer = line.getresponse()
            answer.read()
            return answer.status
        finally:
            line.close()

    def written(self) -> Counter[str]:
        """How often each message of this run is in the channel."""
        found: Counter[str] = Counter()
        with self._deployment.administrator() as person:
            for page in range(10_000):
                path = f"/channels/{self._channel}/posts?per_page={PAGE}&page={page}"
                posts: dict[str, Any] = content(person.ask("GET", path, 200))["posts"]
                mine = [one["message"] for one in posts.values()]
                found.update(one for one in mine if one.startswith(f"{self._run}-"))
                if not posts:
                    return found
        raise AssertionError("the channel has no end")


class _Line(http.client.HTTPSConnection):
    """A connection to an address, for a name that no resolver knows."""

    def __init__(self, name: str, address: str, tls: ssl.SSLContext) -> None:
        super().__init__(name, timeout=PATIENCE_S, context=tls)
        self._address, self._tls, self._name = address, tls, name

    def connect(self) -> None:
        plain = self._create_connection(  # type: ignore[attr-defined]
            (self._address, 443), self.timeout, None
        )
        self.sock = self._tls.wrap_socket(plain, server_hostname=self._name)


def none_lost_none_doubled(traffic: Traffic) -> None:
    """Each acknowledged post once, and nothing twice."""
    written = traffic.written()
    lost = [one for one in traffic.seen.acknowledged if one not in written]
    doubled = [one for one, times in written.items() if times > 1]
    assert (lost, doubled) == ([], [])
