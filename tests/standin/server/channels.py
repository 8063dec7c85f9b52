"""Who may see a channel; direct channels."""

from __future__ import annotations

import json

from starlette.responses import JSONResponse, Response

from mattermost_standin.api import Call, forbidden, invalid, missing, new_id, now, route
from mattermost_standin.store import Row, Store


def visible(call: Call, channel_id: str) -> Row:
    """The channel, for its members and administrators; 403 for others."""
    channel = call.site.store.row("SELECT * FROM channels WHERE id = :id", id=channel_id)
    if not call.me.admin and not member(call.site.store, channel_id, call.me.user_id):
        raise forbidden()
    if not channel:
        raise missing("channel")
    return channel


def member(store: Store, channel_id: str, user_id: str) -> bool:
    """Whether the user is in the channel."""
    sql = "SELECT 1 AS yes FROM channelmembers WHERE channelid = :channel AND userid = :user"
    return store.row(sql, channel=channel_id, user=user_id) is not None


def direct(call: Call) -> Response:
    """The channel of two users, or of one with itself; it is made where it is not there yet."""
    pair, store = _identifiers(call), call.site.store
    known = store.rows("SELECT id FROM users WHERE id IN (:one, :two)", one=pair[0], two=pair[-1])
    if len(pair) != 2 or {row["id"] for row in known} != set(pair):
        raise invalid("user_ids")
    if call.me.user_id not in pair and not call.me.admin:
        raise forbidden()
    name = "__".join(sorted(pair))
    store.rows(
        "INSERT INTO channels VALUES (:id, :now, :now, 0, '', 'D', '', :name) "
        "ON CONFLICT (name, teamid) DO NOTHING",
        id=new_id(),
        now=now(),
        name=name,
    )
    (channel,) = store.rows("SELECT * FROM channels WHERE name = :name AND teamid = ''", name=name)
    for user in set(pair):
        sql = "INSERT INTO channelmembers VALUES (:channel, :user, '', 0) ON CONFLICT DO NOTHING"
        store.rows(sql, channel=channel["id"], user=user)
    return JSONResponse({"id": channel["id"], "type": "D", "name": name}, status_code=201)


def _identifiers(call: Call) -> list[str]:
    try:
        found = json.loads(call.raw)
    except ValueError:
        found = None
    if not isinstance(found, list) or not found or not all(isinstance(one, str) for one in found):
        raise invalid("user_ids")
    return found


ROUTES = [route("POST", "/channels/direct", direct)]
