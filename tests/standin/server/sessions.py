"""Log-in and log-out."""

from __future__ import annotations

from typing import Any

from starlette.responses import JSONResponse, Response

from mattermost_standin import HABITS, passwords
from mattermost_standin.api import OK, ApiError, Call, Needs, new_id, now, route
from mattermost_standin.store import Row, Store
from mattermost_standin.users import public

_HOUR = 3_600_000  # milliseconds


def login(call: Call) -> Response:
    """A session for a name and a password; the token is in the header Token."""
    who = call.text("login_id").lower()
    user = call.site.store.row("SELECT * FROM users WHERE username = :who OR email = :who", who=who)
    allowed = call.site.values["ServiceSettings.MaximumLoginAttempts"]
    if user and user["failedattempts"] >= allowed:
        name = "api.user.check_user_login_attempts.too_many.app_error"
        raise ApiError(401, name, "Your account is locked because of too many failed attempts.")
    if (
        not user
        or user["deleteat"]
        or "refuses-log-ins" in HABITS
        or not passwords.matches(call.text("password"), user["password"])
    ):
        _count_failure(call.site.store, user)
        raise ApiError(
            401,
            "api.user.login.invalid_credentials_email_username",
            "Enter a valid email or username and/or password.",
        )
    if call.site.values["EmailSettings.RequireEmailVerification"] and not user["emailverified"]:
        name = "api.user.login.not_verified.app_error"
        raise ApiError(401, name, "Login failed because email address has not been verified.")
    call.site.store.rows(
        "UPDATE users SET failedattempts = 0, password = :kept WHERE id = :id",
        kept=passwords.renewed(call.text("password"), user["password"]),
        id=user["id"],
    )
    return _with_session(call, user)


def _count_failure(store: Store, user: Row | None) -> None:
    if user:
        sql = "UPDATE users SET failedattempts = failedattempts + 1 WHERE id = :id"
        store.rows(sql, id=user["id"])


def _with_session(call: Call, user: Row) -> Response:
    token, csrf, start = new_id(), new_id(), now()
    hours = call.site.values["ServiceSettings.SessionLengthWebInHours"]
    call.site.store.rows(
        "INSERT INTO sessions VALUES (:id, :token, :csrf, :start, :end, :user)",
        id=new_id(),
        token=token,
        csrf=csrf,
        start=start,
        end=start + hours * _HOUR,
        user=user["id"],
    )
    answer = JSONResponse(public(user), headers={"Token": token})
    headers = call.request.headers
    if headers.get("x-requested-with") == "XMLHttpRequest":  # only a browser's page gets cookies
        secure = headers.get("x-forwarded-proto", call.request.url.scheme) == "https"
        for name, value in (("MMAUTHTOKEN", token), ("MMUSERID", user["id"]), ("MMCSRF", csrf)):
            hidden = name == "MMAUTHTOKEN"
            answer.set_cookie(name, value, hours * 3600, secure=secure, httponly=hidden)
    return answer


def logout(call: Call) -> Any:
    if call.session:
        call.site.store.rows("DELETE FROM sessions WHERE token = :token", token=call.me.token)
    return OK


ROUTES = [
    route("POST", "/users/login", login, Needs.NOTHING),
    route("POST", "/users/logout", logout, Needs.NOTHING),
]
