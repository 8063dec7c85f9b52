"""WebSockets: who is connected, and events to them in order. Cheap enough for thousands."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from starlette.websockets import WebSocket, WebSocketState

QUEUE = 256  # events that a slow client may lag behind before it is cut off


class Client:
    """One connection: its events wait in a queue, so that no client waits for another."""

    def __init__(self, socket: WebSocket):
        self.socket = socket
        self.user_id = ""
        self._sequence = 0
        self._queue: asyncio.Queue[str] = asyncio.Queue(QUEUE)
        self._end: asyncio.Future[None] | None = None

    def push(self, text: str) -> None:
        """Queue a text; a client that is too slow is cut off."""
        if not self._queue.full():
            self._queue.put_nowait(text)
        elif self._end is None:
            self._end = asyncio.ensure_future(self._cut())

    def event(self, head: str) -> None:
        """Queue an event, of which ``head`` is all but the number."""
        self.push(f'{head}"seq":{self._sequence}}}')
        self._sequence += 1

    async def send_queued(self) -> None:
        """Send what is queued until the client is gone."""
        while self.socket.client_state is WebSocketState.CONNECTED:
            await self.socket.send_text(await self._queue.get())

    async def _cut(self) -> None:
        with contextlib.suppress(RuntimeError):
            await self.socket.close(1008)


class Hub:
    """The authenticated clients by user. Only publish may be called from other threads."""

    def __init__(self, version: str):
        self._version = version
        self._clients: dict[str, set[Client]] = defaultdict(set)
        self._loop = asyncio.get_running_loop()

    def register(self, client: Client, user_id: str) -> None:
        """Say hello and deliver this user's events from now on."""
        client.user_id = user_id
        self._clients[user_id].add(client)
        data = {"connection_id": "", "server_version": self._version}
        client.event(_head("hello", data, {"user_id": user_id}))

    def unregister(self, client: Client) -> None:
        """Forget a client that is gone."""
        clients = self._clients.get(client.user_id, set())
        clients.discard(client)
        if not clients:
            self._clients.pop(client.user_id, None)

    def publish(
        self, user_ids: Iterable[str], event: str, data: dict[str, Any], channel_id: str
    ) -> None:
        """Deliver an event to all clients of these users."""
        head = _head(event, data, {"channel_id": channel_id})
        self._loop.call_soon_threadsafe(self._deliver, list(user_ids), head)

    def count(self) -> int:
        """How many clients are connected."""
        return sum(len(clients) for clients in self._clients.values())

    def _deliver(self, user_ids: list[str], head: str) -> None:
        for user_id in user_ids:
            for client in self._clients.get(user_id, ()):
                client.event(head)


def _head(event: str, data: dict[str, Any], broadcast: dict[str, str]) -> str:
    whom = {"omit_users": None, "user_id": "", "channel_id": "", "team_id": "", **broadcast}
    text = json.dumps({"event": event, "data": data, "broadcast": whom})
    return text[:-1] + ", "
