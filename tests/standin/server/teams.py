"""Teams, their members, and the two channels that every team has."""

from __future__ import annotations

import re
from typing import Any

from pg8000.exceptions import DatabaseError
from starlette.responses import JSONResponse, Response

from mattermost_standin.api import (
    OK,
    ApiError,
    Call,
    forbidden,
    invalid,
    missing,
    new_id,
    now,
    route,
)
from mattermost_standin.posts import announce
from mattermost_standin.store import Row, Store, code

_NAME = re.compile(r"[a-z][a-z0-9-]{0,62}[a-z0-9]")
DEFAULT_CHANNELS = (("town-square", "Town Square"), ("off-topic", "Off-Topic"))


def create(call: Call) -> Response:
    """A team with Town Square and Off-Topic; its creator is its administrator."""
    name, kind, title = call.text("name"), call.text("type"), call.text("display_name")
    if not _NAME.fullmatch(name):
        raise invalid("name")
    if kind not in {"O", "I"}:
        raise invalid("type")
    if not 0 < len(title) <= 64:
        raise invalid("display_name")
    team_id, store = new_id(), call.site.store
    values = {"id": team_id, "now": now(), "name": name, "title": title, "kind": kind}
    try:
        store.rows(
            "INSERT INTO teams VALUES (:id, :now, :now, 0, :name, :title, :kind, :mail)",
            **values,
            mail=call.me.user.get("email", ""),
        )
    except DatabaseError as error:
        if code(error) != "23505":
            raise
        name = "app.team.save.existing.app_error"
        raise ApiError(400, name, "A team with that name already exists.") from None
    for channel, channel_title in DEFAULT_CHANNELS:
        store.rows(
            "INSERT INTO channels VALUES (:id, :now, :now, 0, :team, 'O', :title, :name)",
            id=new_id(),
            now=now(),
            team=team_id,
            title=channel_title,
            name=channel,
        )
    if not call.me.local:
        _join(store, team_id, call.me.user_id, schemeadmin=True)
    return JSONResponse(public(_by_id(store, team_id)), status_code=201)


def by_name(call: Call) -> Any:
    team = call.site.store.row("SELECT * FROM teams WHERE name = :name", name=call.path["name"])
    if not team:
        raise missing("team")
    return public(team)


def get(call: Call) -> Any:
    return public(_by_id(call.site.store, call.path["team_id"]))


def mine(call: Call) -> Any:
    teams = call.site.store.rows(
        "SELECT t.* FROM teams t JOIN teammembers m ON m.teamid = t.id "
        "WHERE m.userid = :user AND m.deleteat = 0 AND t.deleteat = 0",
        user=call.me.user_id,
    )
    return [public(team) for team in teams]


def add_member(call: Call) -> Response:
    """By an administrator of the server or of the team."""
    store, team = call.site.store, _by_id(call.site.store, call.path["team_id"])
    _demand_administrator(call, team["id"])
    user = store.row("SELECT * FROM users WHERE id = :id", id=call.text("user_id"))
    if not user or user["deleteat"]:
        raise missing("user")
    row = store.row(
        "SELECT count(*) AS number FROM teammembers WHERE teamid = :team AND deleteat = 0",
        team=team["id"],
    )
    if row and row["number"] >= call.site.values["TeamSettings.MaxUsersPerTeam"]:
        name = "app.team.join_user_to_team.max_accounts.app_error"
        raise ApiError(400, name, "This team has reached the maximum number of allowed accounts.")
    _join(store, team["id"], user["id"], schemeadmin=False)
    channel = _channel(store, team["id"], "town-square")
    if channel:
        announce(call.site, channel, user, f"@{user['username']} added to the team.")
    content = {
        "team_id": team["id"],
        "user_id": user["id"],
        "roles": "",
        "delete_at": 0,
        "scheme_user": True,
        "scheme_admin": False,
    }
    return JSONResponse(content, status_code=201)


def channel_by_name(call: Call) -> Any:
    team = _by_id(call.site.store, call.path["team_id"])
    channel = _channel(call.site.store, team["id"], call.path["name"])
    if not channel:
        raise missing("channel")
    return {
        "id": channel["id"],
        "create_at": channel["createat"],
        "update_at": channel["updateat"],
        "delete_at": channel["deleteat"],
        "team_id": channel["teamid"],
        "type": channel["type"],
        "display_name": channel["displayname"],
        "name": channel["name"],
    }


def delete(call: Call) -> Any:
    """Archive; to delete for good needs ServiceSettings.EnableAPITeamDeletion."""
    store, team = call.site.store, _by_id(call.site.store, call.path["team_id"])
    _demand_administrator(call, team["id"])
    if call.query("permanent") != "true":
        store.rows("UPDATE teams SET deleteat = :now WHERE id = :id", now=now(), id=team["id"])
        return OK
    if not call.site.values["ServiceSettings.EnableAPITeamDeletion"] and not call.me.local:
        name = "api.user.delete_team.not_enabled.app_error"
        raise ApiError(401, name, "Permanent team deletion feature is not enabled.")
    inside = "IN (SELECT id FROM channels WHERE teamid = :id)"
    for sql in (
        f"DELETE FROM posts WHERE channelid {inside}",
        f"DELETE FROM channelmembers WHERE channelid {inside}",
        "DELETE FROM channels WHERE teamid = :id",
        "DELETE FROM teammembers WHERE teamid = :id",
        "DELETE FROM teams WHERE id = :id",
    ):
        store.rows(sql, id=team["id"])
    return OK


def _join(store: Store, team_id: str, user_id: str, schemeadmin: bool) -> None:
    store.rows(
        "INSERT INTO teammembers VALUES (:team, :user, '', :admin, 0) "
        "ON CONFLICT (teamid, userid) DO UPDATE SET deleteat = 0",
        team=team_id,
        user=user_id,
        admin=schemeadmin,
    )
    store.rows(
        "INSERT INTO channelmembers SELECT id, :user, '', 0 FROM channels WHERE teamid = :team "
        "AND name IN ('town-square', 'off-topic') ON CONFLICT DO NOTHING",
        team=team_id,
        user=user_id,
    )


def _demand_administrator(call: Call, team_id: str) -> None:
    member = call.site.store.row(
        "SELECT schemeadmin FROM teammembers WHERE teamid = :team AND userid = :user",
        team=team_id,
        user=call.me.user_id,
    )
    if not call.me.admin and not (member and member["schemeadmin"]):
        raise forbidden()


def _channel(store: Store, team_id: str, name: str) -> Row | None:
    sql = "SELECT * FROM channels WHERE teamid = :team AND name = :name AND deleteat = 0"
    return store.row(sql, team=team_id, name=name)


def _by_id(store: Store, team_id: str) -> Row:
    team = store.row("SELECT * FROM teams WHERE id = :id", id=team_id)
    if not team:
        raise missing("team")
    return team


def public(team: Row) -> dict[str, Any]:
    """What the API shows of a team."""
    return {
        "id": team["id"],
        "create_at": team["createat"],
        "update_at": team["updateat"],
        "delete_at": team["deleteat"],
        "display_name": team["displayname"],
        "name": team["name"],
        "description": "",
        "email": team["email"],
        "type": team["type"],
        "allow_open_invite": False,
    }


ROUTES = [
    route("POST", "/teams", create),
    route("GET", "/teams/name/{name}", by_name),
    route("GET", "/teams/{team_id}", get),
    route("DELETE", "/teams/{team_id}", delete),
    route("POST", "/teams/{team_id}/members", add_member),
    route("GET", "/teams/{team_id}/channels/name/{name}", channel_by_name),
    route("GET", "/users/me/teams", mine),
]
