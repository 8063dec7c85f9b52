"""The web application: the API's rooms, the pages and static files, and headers for all."""

from __future__ import annotations

from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mattermost_standin import (
    FULL_VERSION,
    channels,
    files,
    find,
    live,
    posts,
    sessions,
    system,
    teams,
    users,
)
from mattermost_standin.api import ApiError, Site, new_id, on_error

_YEAR = 31556926  # seconds
_PAGE_HEADERS = {
    "Cache-Control": f"no-cache, max-age={_YEAR}, public",
    "X-Frame-Options": "SAMEORIGIN",
    "Content-Security-Policy": "frame-ancestors 'self'; script-src 'self'",
}
_EVERYWHERE = {
    "X-Version-Id": f"{FULL_VERSION}.false",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "",
}


class _Static(StaticFiles):
    """Files that a browser may keep for a year: their names change with their content."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = f"max-age={_YEAR}, public"
        return response


class _Headers:
    """Adds the server's headers to every answer."""

    def __init__(self, app: ASGIApp):
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                extra = {**_EVERYWHERE, "X-Request-Id": new_id()}
                message["headers"] = [
                    *message["headers"],
                    *((name.lower().encode(), value.encode()) for name, value in extra.items()),
                ]
            await send(message)

        await self._app(scope, receive, with_headers if scope["type"] == "http" else send)


def build(site: Site, local: bool = False) -> Starlette:
    """The application; with ``local`` every caller is an administrator."""
    middleware = [Middleware(_Headers)]
    app = Starlette(
        routes=[*_api(), Mount("/api", _unknown), *_pages(site)],
        middleware=middleware,
        exception_handlers={ApiError: on_error, Exception: on_error},
    )
    app.state.site = site
    app.state.local = local
    return app


def _api() -> list[BaseRoute]:
    return [
        *system.ROUTES,
        *live.ROUTES,
        *sessions.ROUTES,
        *users.ROUTES,
        *teams.ROUTES,
        *channels.ROUTES,
        *posts.ROUTES,
        *files.ROUTES,
    ]


async def _unknown(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] != "http":
        raise HTTPException(404)
    message = "Sorry, we could not find the page."
    answer = await on_error(Request(scope), ApiError(404, "api.context.404.app_error", message))
    await answer(scope, receive, send)


def _pages(site: Site) -> list[BaseRoute]:
    """Static files below /static, and the page for every other address."""
    client = find("client")
    routes: list[BaseRoute] = []
    plugins = Path(site.values["PluginSettings.ClientDirectory"])
    if plugins.is_dir():
        routes.append(Mount("/static/plugins", _served(site, plugins)))
    if client:
        routes.append(Mount("/static", _served(site, client)))
    return [*routes, Route("/{rest:path}", _page)]


def _served(site: Site, folder: Path) -> ASGIApp:
    static = _Static(directory=folder)
    compressed = site.values["ServiceSettings.WebserverMode"] == "gzip"
    return GZipMiddleware(static) if compressed else static


async def _page(_: Request) -> Response:
    client = find("client")
    if client is None or not (client / "root.html").exists():
        return PlainTextResponse("The web application is missing: client/root.html", 404)
    return FileResponse(client / "root.html", headers=_PAGE_HEADERS)
