"""Users: sign-up, roles, passwords, deactivation."""

from __future__ import annotations

import re
import struct
import zlib
from typing import Any

from pg8000.exceptions import DatabaseError
from starlette.responses import JSONResponse, Response

from mattermost_standin import passwords
from mattermost_standin.api import (
    OK,
    ApiError,
    Call,
    Needs,
    forbidden,
    invalid,
    missing,
    new_id,
    now,
    route,
)
from mattermost_standin.settings import Values
from mattermost_standin.store import Row, Store, code

_NAME = re.compile(r"[a-z][a-z0-9._-]{2,63}")
_MAIL = re.compile(r"[^@\s]+@[^@\s]+")
_ROLES = {"system_user", "system_admin", "system_guest"}
_LONGEST_PASSWORD = 72  # bytes
_CLASSES = {"Lowercase": "[a-z]", "Uppercase": "[A-Z]", "Number": "[0-9]", "Symbol": "[^a-zA-Z0-9]"}


def create(call: Call) -> Response:
    """Sign up: the first user becomes system administrator, others need one."""
    first = _count(call.site.store) == 0
    by_admin = call.session is not None and call.session.admin
    if not by_admin:
        _sign_up_allowed(call.site.values, first)
    user = _checked(call)
    user["roles"] = "system_admin system_user" if first else "system_user"
    try:
        call.site.store.rows(
            "INSERT INTO users (id, createat, updateat, username, password, email, firstname, "
            "lastname, nickname, roles) VALUES (:id, :createat, :createat, :username, :password, "
            ":email, :firstname, :lastname, :nickname, :roles)",
            **user,
        )
    except DatabaseError as error:
        if code(error) != "23505":
            raise
        raise ApiError(
            400,
            "app.user.save.username_exists.app_error",
            "An account with that username or e-mail address already exists.",
        ) from None
    return JSONResponse(public(_by_id(call.site.store, user["id"])), status_code=201)


def _sign_up_allowed(values: Values, first: bool) -> None:
    if not values["TeamSettings.EnableUserCreation"]:
        name = "api.user.create_user.signup_email_disabled.app_error"
        raise ApiError(501, name, "User sign-up is disabled.")
    if not first and not values["TeamSettings.EnableOpenServer"]:
        name = "api.user.create_user.no_open_server"
        raise ApiError(403, name, "This server does not allow open signups.")


def _checked(call: Call) -> Row:
    name, mail = call.text("username").lower(), call.text("email").lower()
    if not _NAME.fullmatch(name):
        raise invalid("username")
    if not _MAIL.fullmatch(mail):
        raise invalid("email")
    password = call.text("password")
    _check_password(password, call.site.values)
    return {
        "id": new_id(),
        "createat": now(),
        "username": name,
        "password": passwords.hashed(password),
        "email": mail,
        "firstname": call.text("first_name"),
        "lastname": call.text("last_name"),
        "nickname": call.text("nickname"),
    }


def _check_password(password: str, values: Values) -> None:
    shortest = values["PasswordSettings.MinimumLength"]
    if not shortest <= len(password.encode()) <= _LONGEST_PASSWORD:
        raise ApiError(
            400,
            "model.user.is_valid.pwd_min_length.app_error",
            f"Your password must contain at least {shortest} characters.",
        )
    for kind, pattern in _CLASSES.items():
        if values[f"PasswordSettings.{kind}"] and not re.search(pattern, password):
            name = f"model.user.is_valid.pwd_{kind.lower()}.app_error"
            raise ApiError(400, name, f"Your password must contain a {kind.lower()} character.")


def get(call: Call) -> Any:
    return public(_named(call))


def by_name(call: Call) -> Any:
    name = call.path["username"].lower()
    user = call.site.store.row("SELECT * FROM users WHERE username = :name", name=name)
    if not user:
        raise missing("user")
    return public(user)


def listed(call: Call) -> Any:
    """All users, or those of one role, in pages."""
    size = min(int(call.query("per_page", "60")), 200)
    role = call.query("role")
    users = call.site.store.rows(
        "SELECT * FROM users WHERE :role = '' OR :role = ANY (string_to_array(roles, ' ')) "
        "ORDER BY username LIMIT :size OFFSET :start",
        role=role,
        size=size,
        start=int(call.query("page", "0")) * size,
    )
    return [public(user) for user in users]


def set_roles(call: Call) -> Any:
    roles = call.text("roles")
    if not roles or not set(roles.split()) <= _ROLES:
        raise invalid("roles")
    return _update(call, "roles = :value", roles)


def verify_mail(call: Call) -> Any:
    _update(call, "emailverified = :value", True)
    return public(_named(call))


def set_password(call: Call) -> Any:
    """By an administrator, or by the user who knows the current one."""
    user = _named(call)
    if not call.me.admin:
        known = passwords.matches(call.text("current_password"), user["password"])
        if user["id"] != call.me.user_id or not known:
            raise forbidden()
    _check_password(call.text("new_password"), call.site.values)
    return _update(call, "password = :value", passwords.hashed(call.text("new_password")))


def deactivate(call: Call) -> Any:
    """Deactivate; to delete for good needs ServiceSettings.EnableAPIUserDeletion."""
    user = _named(call)
    if user["id"] != call.me.user_id and not call.me.admin:
        raise forbidden()
    if call.query("permanent") == "true":
        if not (call.site.values["ServiceSettings.EnableAPIUserDeletion"] or call.me.local):
            name = "api.user.delete_user.not_enabled.app_error"
            raise ApiError(401, name, "Permanent user deletion feature is not enabled.")
        for table, column in (
            ("posts", "userid"),
            ("channelmembers", "userid"),
            ("teammembers", "userid"),
            ("users", "id"),
        ):
            call.site.store.rows(f"DELETE FROM {table} WHERE {column} = :id", id=user["id"])
    else:
        _update(call, "deleteat = :value", now())
    call.site.store.rows("DELETE FROM sessions WHERE userid = :id", id=user["id"])
    return OK


def picture(call: Call) -> Response:
    """A square of the user's own colour; like the real one it needs a session."""
    shade = zlib.crc32(_named(call)["id"].encode())
    colour = bytes((shade & 255, shade >> 8 & 255, shade >> 16 & 255))
    headers = {"Cache-Control": "max-age=86400, private"}
    return Response(_square(colour), media_type="image/png", headers=headers)


def _square(colour: bytes, side: int = 32) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        sum_ = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + sum_

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    pixels = zlib.compress((b"\0" + colour * side) * side)
    head = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
    return head + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def _named(call: Call) -> Row:
    name = call.path["user_id"]
    return _by_id(call.site.store, call.me.user_id if name == "me" else name)


def _by_id(store: Store, user_id: str) -> Row:
    user = store.row("SELECT * FROM users WHERE id = :id", id=user_id)
    if not user:
        raise missing("user")
    return user


def _update(call: Call, change: str, value: Any) -> Any:
    user = _named(call)
    call.site.store.rows(
        f"UPDATE users SET {change}, updateat = :now WHERE id = :id",
        value=value,
        now=now(),
        id=user["id"],
    )
    return OK


def _count(store: Store) -> int:
    row = store.row("SELECT count(*) AS number FROM users")
    return int(row["number"]) if row else 0


def public(user: Row) -> dict[str, Any]:
    """What the API shows of a user: never the password."""
    return {
        "id": user["id"],
        "create_at": user["createat"],
        "update_at": user["updateat"],
        "delete_at": user["deleteat"],
        "username": user["username"],
        "auth_data": "",
        "auth_service": "",
        "email": user["email"],
        "email_verified": user["emailverified"],
        "nickname": user["nickname"],
        "first_name": user["firstname"],
        "last_name": user["lastname"],
        "position": "",
        "roles": user["roles"],
        "locale": "en",
    }


ROUTES = [
    route("POST", "/users", create, Needs.NOTHING),
    route("GET", "/users", listed),
    route("GET", "/users/username/{username}", by_name),
    route("GET", "/users/{user_id}", get),
    route("DELETE", "/users/{user_id}", deactivate),
    route("PUT", "/users/{user_id}/roles", set_roles, Needs.ADMIN),
    route("PUT", "/users/{user_id}/password", set_password),
    route("GET", "/users/{user_id}/image", picture),
    route("POST", "/users/{user_id}/email/verify/member", verify_mail, Needs.ADMIN),
]
