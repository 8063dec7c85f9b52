"""Posts, their threads, and the event that tells everybody in the channel."""

from __future__ import annotations

import json
from typing import Any

from starlette.responses import JSONResponse, Response

from mattermost_standin import HABITS, migrations
from mattermost_standin.api import (
    OK,
    ApiError,
    Call,
    Site,
    forbidden,
    invalid,
    missing,
    new_id,
    now,
    route,
)
from mattermost_standin.channels import visible
from mattermost_standin.files import info
from mattermost_standin.store import Row, Store

LONGEST = 16383  # characters of a message


def create(call: Call) -> Response:
    """Post, or reply where root_id names the first post of a thread."""
    store, channel = call.site.store, visible(call, call.text("channel_id"))
    message, root_id = call.text("message"), call.text("root_id")
    if len(message) > LONGEST:
        raise invalid("message")
    if root_id:
        root = store.row("SELECT * FROM posts WHERE id = :id AND deleteat = 0", id=root_id)
        if not root or root["rootid"] or root["channelid"] != channel["id"]:
            name = "api.post.create_post.root_id.app_error"
            raise ApiError(400, name, "Invalid RootId parameter.")
    file_ids = _own_files(call, channel["id"])
    if not message and not file_ids:
        raise invalid("message")
    if "refuses-posts" in HABITS or migrations.unreadable(store):
        name = "app.post.save.app_error"
        raise ApiError(500, name, "Unable to save the Post.")
    post = _insert(store, channel["id"], call.me.user_id, message, root_id, file_ids=file_ids)
    shown = public(store, post)
    shown["pending_post_id"] = call.text("pending_post_id")
    _publish(call.site, channel, shown, call.me.user["username"])
    return JSONResponse(shown, status_code=201)


def announce(site: Site, channel: Row, user: Row, message: str) -> None:
    """The system's own post about ``user``, such as on joining a team."""
    kind = "system_add_to_team"
    post = _insert(site.store, channel["id"], user["id"], message, kind=kind)
    _publish(site, channel, public(site.store, post), "System")


def get(call: Call) -> Any:
    post = _readable(call)
    return public(call.site.store, post)


def thread(call: Call) -> Any:
    """The first post and its replies."""
    post = _readable(call)
    root = post["rootid"] or post["id"]
    rows = call.site.store.rows(
        "SELECT * FROM posts WHERE (id = :root OR rootid = :root) AND deleteat = 0 "
        "ORDER BY createat, id",
        root=root,
    )
    return _list(call.site.store, rows)


def of_channel(call: Call) -> Any:
    """The newest posts of a channel, newest first."""
    channel = visible(call, call.path["channel_id"])
    size = min(int(call.query("per_page", "60")), 200)
    rows = call.site.store.rows(
        "SELECT * FROM posts WHERE channelid = :channel AND deleteat = 0 "
        "ORDER BY createat DESC, id LIMIT :size OFFSET :start",
        channel=channel["id"],
        size=size,
        start=int(call.query("page", "0")) * size,
    )
    return _list(call.site.store, rows)


def delete(call: Call) -> Any:
    """By its author or an administrator; for good needs ServiceSettings.EnableAPIPostDeletion."""
    permanent = call.query("permanent") == "true"
    if permanent and not call.site.values["ServiceSettings.EnableAPIPostDeletion"]:
        name = "api.post.delete_post.not_enabled.app_error"
        raise ApiError(501, name, "ServiceSettings.EnableAPIPostDeletion is not enabled.")
    post = _readable(call)
    if post["userid"] != call.me.user_id and not call.me.admin:
        raise forbidden()
    own = "id = :id OR rootid = :id"
    if permanent:
        call.site.store.rows(f"DELETE FROM posts WHERE {own}", id=post["id"])
    else:
        sql = f"UPDATE posts SET deleteat = :now, updateat = :now WHERE {own}"
        call.site.store.rows(sql, now=now(), id=post["id"])
    return OK


def _insert(
    store: Store,
    channel_id: str,
    user_id: str,
    message: str,
    root_id: str = "",
    *,
    kind: str = "",
    file_ids: tuple[str, ...] = (),
) -> Row:
    post_id = new_id()
    rows = store.rows(
        "INSERT INTO posts VALUES (:id, :now, :now, 0, :user, :channel, :root, :message, :kind, "
        ":files) RETURNING *",
        id=post_id,
        now=now(),
        user=user_id,
        channel=channel_id,
        root=root_id,
        message=message,
        kind=kind,
        files=json.dumps(file_ids),
    )
    for file_id in file_ids:
        sql = "UPDATE fileinfo SET postid = :post WHERE id = :id"
        store.rows(sql, post=post_id, id=file_id)
    return rows[0]


def _publish(site: Site, channel: Row, post: dict[str, Any], sender: str) -> None:
    members = site.store.rows(
        "SELECT userid FROM channelmembers WHERE channelid = :channel", channel=channel["id"]
    )
    data = {
        "channel_display_name": channel["displayname"],
        "channel_name": channel["name"],
        "channel_type": channel["type"],
        "post": json.dumps(post),
        "sender_name": f"@{sender}",
        "set_online": True,
        "team_id": channel["teamid"],
    }
    site.hub.publish([row["userid"] for row in members], "posted", data, channel["id"])


def _own_files(call: Call, channel_id: str) -> tuple[str, ...]:
    """Files that this user uploaded to this channel; others are dropped in silence."""
    wanted = call.body.get("file_ids") or []
    if not isinstance(wanted, list):
        raise invalid("file_ids")
    rows = call.site.store.rows(
        "SELECT id FROM fileinfo WHERE creatorid = :user AND channelid = :channel "
        "AND postid = '' AND deleteat = 0",
        user=call.me.user_id,
        channel=channel_id,
    )
    free = {row["id"] for row in rows}
    return tuple(file_id for file_id in wanted if file_id in free)


def _readable(call: Call) -> Row:
    sql = "SELECT * FROM posts WHERE id = :id AND deleteat = 0"
    post = call.site.store.row(sql, id=call.path["post_id"])
    if not post:
        raise missing("post")
    visible(call, post["channelid"])
    return post


def _list(store: Store, rows: list[Row]) -> dict[str, Any]:
    return {
        "order": [row["id"] for row in rows],
        "posts": {row["id"]: public(store, row) for row in rows},
        "next_post_id": "",
        "prev_post_id": "",
    }


def public(store: Store, post: Row) -> dict[str, Any]:
    """What the API shows of a post."""
    sql = "SELECT * FROM fileinfo WHERE postid = :post AND deleteat = 0"
    files = store.rows(sql, post=post["id"])
    count = store.row(
        "SELECT count(*) AS number FROM posts WHERE rootid = :root AND deleteat = 0",
        root=post["rootid"] or post["id"],
    )
    return {
        "id": post["id"],
        "create_at": post["createat"],
        "update_at": post["updateat"],
        "edit_at": 0,
        "delete_at": post["deleteat"],
        "is_pinned": False,
        "user_id": post["userid"],
        "channel_id": post["channelid"],
        "root_id": post["rootid"],
        "original_id": "",
        "message": post["message"],
        "type": post["type"],
        "props": {},
        "hashtags": "",
        "file_ids": json.loads(post["fileids"]),
        "pending_post_id": "",
        "reply_count": count["number"] if count else 0,
        "metadata": {"files": [info(row) for row in files]} if files else {},
    }


ROUTES = [
    route("POST", "/posts", create),
    route("GET", "/posts/{post_id}", get),
    route("DELETE", "/posts/{post_id}", delete),
    route("GET", "/posts/{post_id}/thread", thread),
    route("GET", "/channels/{channel_id}/posts", of_channel),
]
