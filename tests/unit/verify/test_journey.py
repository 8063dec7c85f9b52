"""The user journey, against a server that runs for real."""

import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from mattermost_host.certificates.authority import new_authority, new_leaf
from mattermost_host.verify import api_client, journey
from mattermost_host.verify.journey import JourneyError, JourneyReport
from tests.standin.cluster import Cluster, free_port
from tests.standin.running import START, Standin, wait_until

pytest_plugins = ["tests.standin.fixtures"]

PASSWORD = "Correct-horse-1"
STEPS = 9


def ready(server: Standin, **environment: str) -> None:
    server.start(**environment)
    make_administrator(server)


def make_administrator(server: Standin) -> None:
    user = {"username": "admin", "email": "admin@example.invalid", "password": PASSWORD}
    status, made = server.local("POST", "/api/v4/users", user)
    assert status == 201
    assert server.local("POST", f"/api/v4/users/{made['id']}/email/verify/member")[0] == 200


def travel(server: Standin) -> JourneyReport:
    return journey.run(server.url, None, "admin", PASSWORD)


def broken(server: Standin, url: str = "", password: str = PASSWORD) -> str:
    with pytest.raises(JourneyError) as error:
        journey.run(url or server.url, None, "admin", password)
    assert PASSWORD not in str(error.value)
    return str(error.value)


def nothing_is_left(server: Standin, cluster: Cluster) -> None:
    """No post, team or user of the journey is alive, nor anybody's session."""
    database = server.state.name
    posts = "posts WHERE deleteat = 0 AND type = ''"  # not what the server itself says of joining
    for alive in (posts, "teams WHERE deleteat = 0", "sessions"):
        assert cluster.sql(f"SELECT count(*) FROM {alive}", database) == "0", alive
    active = "SELECT string_agg(username, ' ') FROM users WHERE deleteat = 0"
    assert cluster.sql(active, database) == "admin"


def test_journey_succeeds_twice_and_leaves_nothing(server: Standin, cluster: Cluster) -> None:
    ready(server)
    for _ in range(2):
        report = travel(server)
        assert len(report.steps) == STEPS
        assert report.total == sum(step.seconds for step in report.steps)
    nothing_is_left(server, cluster)


def test_journey_removes_for_good_where_the_server_allows_it(
    server: Standin, cluster: Cluster
) -> None:
    kinds = ("POST", "TEAM", "USER")
    allowed = {f"MM_SERVICESETTINGS_ENABLEAPI{kind}DELETION": "true" for kind in kinds}
    ready(server, **allowed)
    travel(server)
    for table in ("posts", "teams", "channels"):
        assert cluster.sql(f"SELECT count(*) FROM {table}", server.state.name) == "0", table
    assert cluster.sql("SELECT username FROM users", server.state.name) == "admin"


def test_journey_goes_where_sites_demand_much(server: Standin) -> None:
    strict = {
        "MM_EMAILSETTINGS_REQUIREEMAILVERIFICATION": "true",
        "MM_PASSWORDSETTINGS_MINIMUMLENGTH": "14",
        "MM_PASSWORDSETTINGS_LOWERCASE": "true",
        "MM_PASSWORDSETTINGS_UPPERCASE": "true",
        "MM_PASSWORDSETTINGS_NUMBER": "true",
        "MM_PASSWORDSETTINGS_SYMBOL": "true",
    }
    ready(server)
    server.end()
    server.start(**strict)
    assert len(travel(server).steps) == STEPS


def test_wrong_password_is_a_sentence(server: Standin) -> None:
    ready(server)
    sentence = broken(server, password="not-the-one")
    assert sentence.startswith(
        "The journey stopped at “the administrator logs in”: expected 200 of "
        "POST /api/v4/users/login, found 401 ("
    )
    assert "not-the-one" not in sentence
    assert "write the name as mattermost.administrator.username" in sentence


def test_nobody_listening_is_a_sentence(server: Standin) -> None:
    sentence = broken(server, url=f"http://127.0.0.1:{free_port()}")
    assert sentence.endswith("found connection refused.")


def test_refused_websocket_is_named_and_everything_is_removed(
    server: Standin, cluster: Cluster
) -> None:
    ready(server, MM_SERVICESETTINGS_ALLOWCORSFROM="https://elsewhere.example")
    assert broken(server) == (
        "The journey stopped at “the second user connects by WebSocket”: "
        "expected an open WebSocket, found 403."
    )
    nothing_is_left(server, cluster)


def test_event_that_does_not_arrive_is_named_and_everything_is_removed(
    server: Standin, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready(server)
    monkeypatch.setattr(journey, "_announces", lambda event, post_id: False)
    monkeypatch.setattr(api_client, "ANSWER", 3.0)
    sentence = broken(server)
    assert "“the post arrives at the second user”: expected the event of the post" in sentence
    nothing_is_left(server, cluster)


def test_changed_image_is_named_and_everything_is_removed(
    server: Standin, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready(server)
    upload = journey._upload
    monkeypatch.setattr(
        journey, "_upload", lambda person, channel, image: upload(person, channel, image + b"!")
    )
    sentence = broken(server)
    assert "“the image is downloaded unchanged”: expected" in sentence
    assert "SHA-256" in sentence
    nothing_is_left(server, cluster)


def test_lost_reply_is_named(server: Standin, monkeypatch: pytest.MonkeyPatch) -> None:
    ready(server)
    post = journey._post

    def without_root(person: Any, channel_id: str, message: str, **more: Any) -> str:
        more.pop("root_id", None)
        return post(person, channel_id, message, **more)

    monkeypatch.setattr(journey, "_post", without_root)
    assert "expected the post and its 2 replies in the thread, found 1 posts" in broken(server)


def test_too_small_limit_for_files_is_told_in_the_words_of_the_server(server: Standin) -> None:
    ready(server, MM_FILESETTINGS_MAXFILESIZE="1000")
    assert "found 413 (Unable to upload file. File is too large)" in broken(server)


def test_what_can_not_be_removed_is_named(server: Standin, monkeypatch: pytest.MonkeyPatch) -> None:
    ready(server)
    monkeypatch.setattr(journey, "_NOT_ALLOWED", set())
    lines = broken(server).splitlines()
    assert len(lines) == 4
    assert lines[0].startswith("The clean-up left the post ")
    assert "found 501 (" in lines[0]
    assert "The clean-up left the team journey-" in lines[3]


def test_journey_over_tls_trusts_the_given_authority_only(server: Standin, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    authority, stranger = new_authority("site", now), new_authority("another", now)
    leaf = new_leaf(authority, ["127.0.0.1"], now)
    files = {"CERT": leaf.certificate, "KEY": leaf.key.get_secret_value()}
    for name, text in files.items():
        (server.state / name).write_text(text)
    server.launch(
        MM_SERVICESETTINGS_CONNECTIONSECURITY="TLS",
        **{f"MM_SERVICESETTINGS_TLS{name}FILE": str(server.state / name) for name in files},
    )
    wait_until(lambda: listens(server.port), START, lambda: server.output)
    make_administrator(server)
    url = server.url.replace("http:", "https:")
    ours, theirs = tmp_path / "ours.crt", tmp_path / "theirs.crt"
    ours.write_text(authority.certificate)
    theirs.write_text(stranger.certificate)
    assert len(journey.run(url, ours, "admin", PASSWORD).steps) == STEPS
    for ca_file in (theirs, None):
        with pytest.raises(JourneyError, match="found a certificate that is not trusted"):
            journey.run(url, ca_file, "admin", PASSWORD)


def test_authorities_that_can_not_be_read_are_a_sentence(tmp_path: Path) -> None:
    empty = tmp_path / "empty.crt"
    empty.write_text("")
    for ca_file, found in ((tmp_path / "none.crt", "no such file"), (empty, "no certificate")):
        with pytest.raises(JourneyError, match=rf"The journey could not start: .*{found}"):
            journey.run("https://127.0.0.1:1", ca_file, "admin", PASSWORD)


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), START).close()
    except ConnectionRefusedError:
        return False
    return True
