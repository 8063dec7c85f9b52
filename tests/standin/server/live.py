"""The WebSocket endpoint: origin, authentication by header or challenge, answers to actions."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from mattermost_standin import FULL_VERSION
from mattermost_standin.api import ApiError, Site, by_token, now, session_of
from mattermost_standin.sockets import Client
from mattermost_standin.store import Lost

CHALLENGE_TIME = 5.0  # seconds for the token, as in the real server
_GONE = (WebSocketDisconnect, RuntimeError, asyncio.TimeoutError)


async def websocket(socket: WebSocket) -> None:
    """One client from the handshake to the end."""
    site: Site = socket.app.state.site
    if not origin_allowed(socket, site):
        await socket.close()  # before accepting: uvicorn answers 403
        return
    session = await run_in_threadpool(session_of, socket, site)
    await socket.accept()
    client = Client(socket)
    sender = asyncio.ensure_future(client.send_queued())
    try:
        if session and session.user_id:
            site.hub.register(client, session.user_id)
        while True:
            wait = None if client.user_id else CHALLENGE_TIME
            text = await asyncio.wait_for(socket.receive_text(), wait)
            if not await _handle(client, site, text):
                await socket.close()
                return
    except _GONE:
        pass
    finally:
        sender.cancel()
        site.hub.unregister(client)


def origin_allowed(socket: WebSocket, site: Site) -> bool:
    """The same host, no origin at all, or one of AllowCorsFrom."""
    origin = socket.headers.get("origin")
    if not origin:
        return True
    allowed = site.values["ServiceSettings.AllowCorsFrom"].split()
    if allowed:
        return "*" in allowed or origin in [*allowed, site.values["ServiceSettings.SiteURL"]]
    return urlsplit(origin).netloc.lower() == socket.headers.get("host", "").lower()


async def _handle(client: Client, site: Site, text: str) -> bool:
    """Answer one message; False ends the connection."""
    try:
        message = json.loads(text)
        action, number = message["action"], int(message["seq"])
    except (ValueError, KeyError, TypeError):
        return True  # the real server ignores what it can't read
    if action == "authentication_challenge" and not client.user_id:
        return await _authenticate(client, site, message, number)
    if not client.user_id:
        name = "api.web_socket_router.not_authenticated.app_error"
        client.push(_refusal(number, name, "WebSocket connection is not authenticated.", 401))
    elif action == "ping":
        data = {"text": "pong", "version": FULL_VERSION, "server_time": now(), "node_id": ""}
        client.push(json.dumps({"status": "OK", "seq_reply": number, "data": data}))
    elif action == "user_typing":
        client.push(json.dumps({"status": "OK", "seq_reply": number}))
    else:
        name = "api.web_socket_router.bad_action.app_error"
        client.push(_refusal(number, name, "Unknown WebSocket action.", 500))
    return True


async def _authenticate(client: Client, site: Site, message: Any, number: int) -> bool:
    data = message.get("data")
    token = data.get("token") if isinstance(data, dict) else None
    if not isinstance(token, str):
        return False
    try:
        session = await run_in_threadpool(by_token, site.store, token)
    except Lost:
        return False
    if session is None:
        return False
    site.hub.register(client, session.user_id)
    client.push(json.dumps({"status": "OK", "seq_reply": number}))
    return True


def _refusal(number: int, name: str, message: str, status: int) -> str:
    error = {"id": name, "message": message, "detailed_error": "", "status_code": status}
    return json.dumps({"status": "FAIL", "seq_reply": number, "error": error})


async def _no_upgrade(_: Request) -> Response:
    name = "api.web_socket.connect.upgrade.app_error"
    raise ApiError(400, name, "URL Blocked because of CORS or no WebSocket upgrade.")


ROUTES = [
    WebSocketRoute("/api/v4/websocket", websocket),
    Route("/api/v4/websocket", _no_upgrade),
]
