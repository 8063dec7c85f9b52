"""What all rooms of the API share: the call, who makes it, and errors as the server words them."""

from __future__ import annotations

import enum
import json
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mattermost_standin.log import log
from mattermost_standin.settings import Values
from mattermost_standin.sockets import Hub
from mattermost_standin.store import Lost, Row, Store

OK = {"status": "OK"}
_LETTERS = "ybndrfg8ejkmcpqxot1uwisza345h769"
_ID = re.compile(r"[a-z0-9]{26}")


class ApiError(Exception):
    """An answer other than 2xx: status, the server's identifier, and a sentence."""

    def __init__(self, status: int, name: str, message: str):
        super().__init__(message)
        self.status, self.name, self.message = status, name, message


@dataclass
class Site:
    """What every call needs of the running server."""

    values: Values
    store: Store
    hub: Hub


@dataclass(frozen=True)
class Session:
    """Who calls: a user with a token, or whoever may open the socket of local mode."""

    user: Row
    token: str
    csrf: str
    local: bool = False

    @property
    def user_id(self) -> str:
        return str(self.user["id"])

    @property
    def admin(self) -> bool:
        return "system_admin" in self.user["roles"].split()


LOCAL = Session({"id": "", "username": "", "roles": "system_admin"}, "", "", local=True)


class Needs(enum.Enum):
    """Who may make a call."""

    NOTHING = 0
    SESSION = 1
    ADMIN = 2


@dataclass
class Call:
    """One request, read in full; it is answered in a thread, so that the loop stays free."""

    request: Request
    site: Site
    session: Session | None
    raw: bytes

    @property
    def me(self) -> Session:
        assert self.session is not None
        return self.session

    @property
    def path(self) -> dict[str, str]:
        return dict(self.request.path_params)

    def query(self, name: str, default: str = "") -> str:
        return str(self.request.query_params.get(name, default))

    @property
    def body(self) -> dict[str, Any]:
        """The JSON object of the body."""
        try:
            found = json.loads(self.raw)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise ApiError(400, "api.context.invalid_body_param.app_error", "Invalid request body.")
        return found

    def text(self, name: str) -> str:
        """A string of the body; missing is empty."""
        value = self.body.get(name, "")
        if not isinstance(value, str):
            raise invalid(name)
        return value


Handler = Callable[[Call], Any]


def route(method: str, path: str, handler: Handler, needs: Needs = Needs.SESSION) -> Route:
    """A route below /api/v4 whose handler runs in a thread; it returns JSON or a Response."""

    async def endpoint(request: Request) -> Response:
        site: Site = request.app.state.site
        limit = site.values["ServiceSettings.MaximumPayloadSizeBytes"]
        if int(request.headers.get("content-length", "0")) > limit:
            raise ApiError(413, "api.context.request_body_too_large.app_error", "Body too large.")
        raw = await request.body()
        return await run_in_threadpool(_answer, Call(request, site, None, raw), handler, needs)

    return Route("/api/v4" + path, endpoint, methods=[method])


def _answer(call: Call, handler: Handler, needs: Needs) -> Response:
    call.session = session_of(call.request, call.site)
    demand(call.session, needs)
    result = handler(call)
    return result if isinstance(result, Response) else JSONResponse(result)


def demand(session: Session | None, needs: Needs) -> None:
    """401 without a session, 403 without the right."""
    if needs is not Needs.NOTHING and session is None:
        raise ApiError(
            401,
            "api.context.session_expired.app_error",
            "Invalid or expired session, please login again.",
        )
    if needs is Needs.ADMIN and session is not None and not session.admin:
        raise forbidden()


def session_of(connection: HTTPConnection, site: Site) -> Session | None:
    """The caller's session. A cookie is looked at first, and a cookie needs a CSRF token."""
    if connection.app.state.local:
        return LOCAL
    cookie = connection.cookies.get("MMAUTHTOKEN")
    word, _, token = connection.headers.get("authorization", "").partition(" ")
    bearer = token.strip() if word.lower() in {"bearer", "token"} else ""
    session = by_token(site.store, cookie or bearer)
    if cookie and session and not _from_our_page(connection, session):
        return None
    return session


def by_token(store: Store, token: str) -> Session | None:
    """The session of a token that is not expired and whose user is active."""
    if not _ID.fullmatch(token):
        return None
    row = store.row(
        "SELECT s.csrf AS csrf, u.* FROM sessions s JOIN users u ON u.id = s.userid "
        "WHERE s.token = :token AND s.expiresat > :now AND u.deleteat = 0",
        token=token,
        now=now(),
    )
    return Session(row, token, row["csrf"]) if row else None


def _from_our_page(connection: HTTPConnection, session: Session) -> bool:
    if connection.scope["type"] == "websocket" or connection.scope["method"] in {"GET", "HEAD"}:
        return True
    headers = connection.headers
    return (
        headers.get("x-csrf-token") == session.csrf
        or headers.get("x-requested-with") == "XMLHttpRequest"
    )


async def on_error(request: Request, error: Exception) -> Response:
    """An ApiError, a lost database, or a defect, as the server's JSON."""
    if isinstance(error, Lost):
        log.error("%s %s: %s", request.method, request.url.path, error)
        error = ApiError(500, "app.select_error", "We could not reach the database.")
    elif not isinstance(error, ApiError):
        log.error("%s %s: %r", request.method, request.url.path, error)
        error = ApiError(500, "api.unexpected.app_error", "An unexpected error happened.")
    assert isinstance(error, ApiError)
    content = {
        "id": error.name,
        "message": error.message,
        "detailed_error": "",
        "request_id": new_id(),
        "status_code": error.status,
    }
    return JSONResponse(content, status_code=error.status)


def forbidden() -> ApiError:
    return ApiError(
        403,
        "api.context.permissions.app_error",
        "You do not have the appropriate permissions.",
    )


def missing(what: str) -> ApiError:
    return ApiError(404, f"app.{what}.get.app_error", f"Unable to find the {what}.")


def invalid(name: str) -> ApiError:
    return ApiError(
        400,
        "api.context.invalid_body_param.app_error",
        f"Invalid or missing {name} in request body.",
    )


def new_id() -> str:
    """26 random characters, as the server's identifiers have."""
    return "".join(secrets.choice(_LETTERS) for _ in range(26))


def now() -> int:
    """Milliseconds since 1970."""
    return int(time.time() * 1000)
