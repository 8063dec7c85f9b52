"""What the stand-in server answers: the API, pages, WebSockets, other ports, the way back."""

import base64
import gzip
import json
import signal
import socket
import time
from pathlib import Path
from typing import Any

import pytest
import requests
import websocket

from tests.standin.build import build
from tests.standin.cluster import free_port
from tests.standin.running import START, Standin, sign_up, unpack

PASSWORD = "Correct-horse-1"
pytest_plugins = ["tests.standin.fixtures"]


def first_user(server: Standin) -> dict[str, str]:
    """The headers of an administrator who is logged in."""
    assert sign_up(server, "admin", PASSWORD, {}).status_code == 201
    answer = server.post("/api/v4/users/login", json={"login_id": "admin", "password": PASSWORD})
    assert answer.status_code == 200
    return {"Authorization": f"Bearer {answer.headers['Token']}"}


def test_first_user_is_administrator_and_the_second_is_refused(server: Standin) -> None:
    server.start()
    first = sign_up(server, "first", PASSWORD, {})
    assert first.json()["roles"] == "system_admin system_user"
    second = sign_up(server, "second", PASSWORD, {})
    assert second.status_code == 403
    assert second.json()["id"] == "api.user.create_user.no_open_server"


def test_local_mode_is_an_administrator_behind_a_0600_socket(server: Standin) -> None:
    server.start()
    assert server.local_socket.stat().st_mode & 0o777 == 0o600
    user = {"username": "root1", "email": "root1@example.invalid", "password": PASSWORD}
    assert server.local("POST", "/api/v4/users", {**user, "username": "!"})[0] == 400
    assert server.local("GET", "/api/v4/users/username/root1")[0] == 404
    status, made = server.local("POST", "/api/v4/users", user)
    assert status == 201
    roles = {"roles": "system_user system_admin"}
    assert server.local("PUT", f"/api/v4/users/{made['id']}/roles", roles)[0] == 200
    assert server.local("POST", f"/api/v4/users/{made['id']}/email/verify/member")[0] == 200
    _, found = server.local("GET", "/api/v4/users?role=system_admin")
    assert [(user["username"], user["email_verified"]) for user in found] == [("root1", True)]


def test_mmctl_speaks_local_mode(server: Standin) -> None:
    server.start()
    assert "Server status: OK" in server.command("mmctl", "--local", "system", "status").stdout
    version = server.command("mmctl", "--local", "system", "version").stdout
    assert version == "Server version 11.7.9-standin\n"
    server.signal(signal.SIGTERM)
    gone = server.command("mmctl", "--local", "system", "status")
    assert gone.returncode == 1
    assert "doesn't exist" in gone.stderr


def test_commands_need_no_database_but_for_the_schema(server: Standin) -> None:
    version = server.command("mattermost", "version")
    assert "Version: 11.7.9-standin" in version.stdout
    assert "no Mattermost" in version.stdout
    # To ask for the version migrates, as it does with the real server.
    assert "version: 7" in server.command("mattermost", "db", "version").stdout
    assert "0 migrations applied" in server.command("mattermost", "db", "migrate").stdout
    wrong = server.command("mattermost", "config", "show")
    assert (wrong.returncode, "usage" in wrong.stderr) == (2, True)


def test_cookie_goes_before_the_token_and_needs_a_csrf_header(server: Standin) -> None:
    server.start()
    headers = first_user(server)
    login = {"login_id": "admin", "password": PASSWORD}
    assert not server.post("/api/v4/users/login", json=login).cookies
    page = {"X-Requested-With": "XMLHttpRequest"}
    cookies = server.post("/api/v4/users/login", json=login, headers=page).cookies
    team = {"name": "team-1", "display_name": "Team", "type": "O"}
    both = {"cookies": cookies, "headers": headers}
    assert server.post("/api/v4/teams", json=team, **both).status_code == 401
    both["headers"] = {**headers, "X-CSRF-Token": cookies["MMCSRF"]}
    assert server.post("/api/v4/teams", json=team, **both).status_code == 201


def test_picture_of_a_user_needs_a_session(server: Standin) -> None:
    server.start()
    headers = first_user(server)
    assert server.get("/api/v4/users/me/image").status_code == 401
    answer = server.get("/api/v4/users/me/image", headers=headers)
    assert answer.headers["Content-Type"] == "image/png"


def test_file_above_the_limit_is_413_and_below_it_comes_back(server: Standin) -> None:
    server.start(MM_FILESETTINGS_MAXFILESIZE="200000")
    headers = first_user(server)
    team = {"name": "team-1", "display_name": "Team", "type": "O"}
    team_id = server.post("/api/v4/teams", json=team, headers=headers).json()["id"]
    path = f"/api/v4/teams/{team_id}/channels/name/town-square"
    channel = {"channel_id": server.get(path, headers=headers).json()["id"]}

    def upload(size: int) -> Any:
        files = {"files": ("../a.bin", b"x" * size)}
        return server.post("/api/v4/files", data=channel, files=files, headers=headers)

    assert upload(200_001).status_code == 413
    assert upload(2_000_000).status_code == 413
    info = upload(200_000).json()["file_infos"][0]
    assert info["name"] == "a.bin"
    back = server.get(f"/api/v4/files/{info['id']}", headers=headers)
    assert back.content == b"x" * 200_000
    query = {**channel, "filename": "b.bin"}
    plain = server.post("/api/v4/files", params=query, data=b"y" * 9, headers=headers)
    assert plain.json()["file_infos"][0]["size"] == 9


def test_licence_must_be_one_and_in_time(server: Standin) -> None:
    server.start()
    headers = first_user(server)

    def upload(content: dict[str, Any]) -> int:
        text = base64.b64encode(json.dumps(content).encode() + bytes(256))
        files = {"license": ("a.license", text)}
        return server.post("/api/v4/license", files=files, headers=headers).status_code

    soon = int(time.time() * 1000) + 3_600_000
    assert upload({"id": "a", "expires_at": 1}) == 400
    assert server.get("/api/v4/license/client?format=old").json() == {"IsLicensed": "false"}
    assert upload({"id": "a", "expires_at": soon, "sku_short_name": "enterprise"}) == 201
    shown = server.get("/api/v4/license/client?format=old").json()
    assert (shown["IsLicensed"], shown["SkuShortName"]) == ("true", "enterprise")


def test_pages_say_what_they_are_and_static_files_may_be_kept(server: Standin) -> None:
    server.start()
    page = server.get("/any/channel")
    assert "stand-in server 11.7.9-standin" in page.text
    assert server.get("/api/v4/system/ping").json()["Version"] == "11.7.9-standin"
    name = next((server.tree / "client").glob("main.*.js")).name
    script = server.get(f"/static/{name}", headers={"Accept-Encoding": "gzip"}, stream=True)
    assert script.headers["Cache-Control"] == "max-age=31556926, public"
    assert len(gzip.decompress(script.raw.read())) == 2_000_000
    assert server.get("/static/").status_code == 404
    assert server.get("/api/v4/nothing").json()["status_code"] == 404


# WebSockets


def test_websocket_says_hello_after_the_challenge(server: Standin) -> None:
    server.start()
    token = first_user(server)["Authorization"].removeprefix("Bearer ")
    client = server.connect()
    client.send(json.dumps({"seq": 1, "action": "ping"}))
    assert json.loads(client.recv())["status"] == "FAIL"
    challenge = {"seq": 2, "action": "authentication_challenge", "data": {"token": token}}
    client.send(json.dumps(challenge))
    hello, accepted = json.loads(client.recv()), json.loads(client.recv())
    assert (hello["event"], hello["seq"]) == ("hello", 0)
    assert accepted == {"status": "OK", "seq_reply": 2}
    client.close()


def test_websocket_says_hello_at_once_to_a_session(server: Standin) -> None:
    server.start()
    client = server.connect(header=first_user(server))
    assert json.loads(client.recv())["event"] == "hello"
    client.close()


def test_websocket_with_a_wrong_token_is_closed(server: Standin) -> None:
    server.start()
    client = server.connect()
    data = {"token": "a" * 26}
    client.send(json.dumps({"seq": 1, "action": "authentication_challenge", "data": data}))
    assert client.recv() == ""
    client.close()


def test_websocket_of_a_foreign_origin_is_refused(server: Standin) -> None:
    server.start()
    with pytest.raises(websocket.WebSocketBadStatusException) as refusal:
        server.connect(origin="https://elsewhere.example")
    assert refusal.value.status_code == 403
    server.connect(origin=server.url).close()
    server.connect(suppress_origin=True).close()
    assert server.get("/api/v4/websocket").status_code == 400


# Other ports


def test_metrics_and_cluster_ports_open_only_when_they_are_switched_on(server: Standin) -> None:
    metrics, gossip = free_port(), free_port()
    ports = {
        "MM_METRICSSETTINGS_LISTENADDRESS": f"127.0.0.1:{metrics}",
        "MM_CLUSTERSETTINGS_BINDADDRESS": "127.0.0.1",
        "MM_CLUSTERSETTINGS_GOSSIPPORT": str(gossip),
    }
    server.start(**ports)
    for port in (metrics, gossip):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))
    server.end()
    server.start(MM_METRICSSETTINGS_ENABLE="true", MM_CLUSTERSETTINGS_ENABLE="true")
    # Without a licence there are no metrics, but the profiler is open to everybody.
    assert requests.get(f"http://127.0.0.1:{metrics}/metrics", timeout=START).status_code == 404
    profiler = f"http://127.0.0.1:{metrics}/debug/pprof/"
    assert requests.get(profiler, timeout=START).status_code == 200
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", gossip))
    server.end()
    soon = int(time.time() * 1000) + 3_600_000
    content = json.dumps({"id": "a", "expires_at": soon}).encode() + bytes(256)
    server.start(MM_LICENSE=base64.b64encode(content).decode())
    assert requests.get(f"http://127.0.0.1:{metrics}/metrics", timeout=START).status_code == 200
    socket.create_connection(("127.0.0.1", gossip), START).close()


# The way back


def test_way_back_to_an_older_release_looks_healthy_and_lets_nobody_in(
    home: Path, server: Standin
) -> None:
    server.start()
    first_user(server)
    server.end()
    server.tree = unpack(build(home / "old", "10.5.0"), home / "old")
    server.start()
    assert server.answers()
    login = {"login_id": "admin", "password": PASSWORD}
    assert server.post("/api/v4/users/login", json=login).status_code == 401
