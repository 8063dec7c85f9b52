"""Who may see a channel."""

from __future__ import annotations

from mattermost_standin.api import Call, forbidden, missing
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
