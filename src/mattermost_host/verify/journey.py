"""The end-to-end test of a site with two users, for servers of release 11.

An administrator creates a team and two users. One posts; the other receives it over the WebSocket
and replies; an image is uploaded and downloaded unchanged; the thread is complete. Everything that
was created is removed again, also if a step fails.
"""

import hashlib
import json
import secrets
import ssl
import struct
import time
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mattermost_host.support.errors import OperatorError
from mattermost_host.verify.api_client import (
    Client,
    Events,
    Unexpected,
    content,
    difference,
    member,
    trust,
)

IMAGE_SIDE = 64  # pixels
RENAMED = (
    "; if the administrator was renamed or has another password now, write the name as "
    "mattermost.administrator.username into the inventory, and the password as admin_password "
    "into its secrets file"
)
_NOT_ALLOWED = {401, 403, 501}  # the responses if permanent deletion is switched off


class JourneyError(OperatorError):
    """A failed step: its name, what was expected and what was found."""


@dataclass(frozen=True)
class Step:
    """A passed step, and its time in seconds."""

    name: str
    seconds: float


@dataclass(frozen=True)
class JourneyReport:
    """The passed steps, in order."""

    steps: tuple[Step, ...]

    @property
    def total(self) -> float:
        """Seconds of all steps together."""
        return sum(step.seconds for step in self.steps)


def run(url: str, ca_file: Path | None, admin_username: str, admin_password: str) -> JourneyReport:
    """Run the end-to-end test at ``url`` (http or https) and clean up.

    ``ca_file`` has the CA certificates to trust; None: this machine's. Raises JourneyError with the
    first step that failed, and with what could not be removed.
    """
    try:
        tls = trust(ca_file)
    except Unexpected as error:
        raise JourneyError(f"The journey could not start: {error}.") from None
    journey = _Journey(url.rstrip("/"), tls)
    sentences = []
    try:
        journey.travel(admin_username, admin_password)
    except JourneyError as error:
        sentences.append(str(error))
    finally:
        sentences += journey.clean_up()
    if sentences:
        raise JourneyError("\n".join(sentences))
    return JourneyReport(tuple(journey.steps))


class _Journey:
    """The state of a run: the passed steps, and the names of what has to be removed."""

    def __init__(self, url: str, tls: ssl.SSLContext):
        self.steps: list[Step] = []
        self._url, self._tls = url, tls
        self._admin = Client(url, tls)
        self._team = f"journey-{secrets.token_hex(5)}"
        self._users = (f"{self._team}-1", f"{self._team}-2")
        self._roots: list[str] = []

    def travel(self, admin_username: str, admin_password: str) -> None:
        """Run all steps. Raises JourneyError for the first that fails."""
        with self._step("the administrator logs in"):
            self._log_in(admin_username, admin_password)
        with self._step("a team and two users are created"):
            team_id = self._make_team()
            first, second = (self._make_user(name, team_id) for name in self._users)
        with self._step("the second user connects by WebSocket"):
            events = Events(second)
        with closing(events):
            self._talk(team_id, first, second, events)

    def _log_in(self, username: str, password: str) -> None:
        try:
            self._admin.log_in(username, password)
        except Unexpected as error:
            raise Unexpected(f"{error}{RENAMED if 'found 401' in str(error) else ''}") from error

    def _talk(self, team_id: str, first: Client, second: Client, events: Events) -> None:
        with self._step("the first user posts in Town Square"):
            path = f"/teams/{team_id}/channels/name/town-square"
            channel_id = member(first.ask("GET", path, 200), "id")
            root = _post(first, channel_id, "The first word of this journey.")
            self._roots.append(root)
        with self._step("the post arrives at the second user"):
            events.await_message("the event of the post", lambda event: _announces(event, root))
        with self._step("the second user replies"):
            reply = _post(second, channel_id, "It arrived.", root_id=root)
        with self._step("the first user replies with an image"):
            image = _image()
            file_id = _upload(first, channel_id, image)
            shown = _post(first, channel_id, "Look.", root_id=root, file_ids=[file_id])
        with self._step("the image is downloaded unchanged"):
            _compare(image, second.ask("GET", f"/files/{file_id}", 200).content)
        with self._step("the thread is complete"):
            thread = content(second.ask("GET", f"/posts/{root}/thread", 200))
            _check_thread(thread, root, replies={reply, shown}, with_image=shown, file_id=file_id)

    def clean_up(self) -> list[str]:
        """Remove what was created; a sentence for each thing that could not be removed."""
        if not self._admin.token:
            return []
        left = [self._gone(f"the post {root}", f"/posts/{root}") for root in self._roots]
        for name in self._users:
            left.append(self._gone(f"the user {name}", "/users/{}", f"/users/username/{name}"))
        name = self._team
        left.append(self._gone(f"the team {name}", "/teams/{}", f"/teams/name/{name}"))
        try:
            self._admin.log_out()
        except Unexpected as error:
            left.append(_left_behind("the administrator's session", error))
        return [sentence for sentence in left if sentence]

    def _gone(self, what: str, path: str, by_name: str = "") -> str:
        """Delete permanently if the server allows it, else archive; a sentence if that fails.

        Looked up by name, so that it is found even if the response to its creation was lost.
        """
        try:
            if by_name:
                found = self._admin.send("GET", by_name)
                if found.status_code == 404:
                    return ""
                path = path.format(member(found, "id"))
            answer = self._admin.send("DELETE", f"{path}?permanent=true")
            if answer.status_code in _NOT_ALLOWED:
                answer = self._admin.send("DELETE", path)
            if answer.status_code != 200:
                raise Unexpected(difference(answer, 200))
        except Unexpected as error:
            return _left_behind(what, error)
        return ""

    def _make_team(self) -> str:
        team = {"name": self._team, "display_name": self._team, "type": "I"}
        return self._admin.made("/teams", json=team)

    def _make_user(self, name: str, team_id: str) -> Client:
        password = (
            f"aA1!{secrets.token_urlsafe(18)}"  # has all character classes that a site may require
        )
        user = {
            "username": name,
            "email": f"{name}@mattermost-host.invalid",
            "password": password,
            "disable_welcome_email": True,
        }
        user_id = self._admin.made("/users", json=user)
        self._admin.ask("POST", f"/users/{user_id}/email/verify/member", 200)
        membership = {"team_id": team_id, "user_id": user_id}
        self._admin.ask("POST", f"/teams/{team_id}/members", 201, json=membership)
        person = Client(self._url, self._tls)
        person.log_in(name, password)
        return person

    @contextmanager
    def _step(self, name: str) -> Iterator[None]:
        start = time.monotonic()
        try:
            yield
        except Unexpected as error:
            raise JourneyError(f"The journey stopped at “{name}”: {error}.") from None
        self.steps.append(Step(name, time.monotonic() - start))


def _post(person: Client, channel_id: str, message: str, **more: Any) -> str:
    return person.made("/posts", json={"channel_id": channel_id, "message": message, **more})


def _announces(event: dict[str, Any], post_id: str) -> bool:
    if event.get("event") != "posted":
        return False
    return bool(json.loads(event["data"]["post"])["id"] == post_id)


def _upload(person: Client, channel_id: str, image: bytes) -> str:
    answer = person.ask(
        "POST",
        "/files",
        201,
        data={"channel_id": channel_id},
        files={"files": ("journey.png", image, "image/png")},
    )
    try:
        return str(content(answer)["file_infos"][0]["id"])
    except (KeyError, IndexError, TypeError):
        raise Unexpected("expected the identifier of the uploaded file, found none") from None


def _compare(sent: bytes, received: bytes) -> None:
    """Compare by SHA-256."""
    wanted, found = (hashlib.sha256(data).hexdigest() for data in (sent, received))
    if wanted != found:
        raise Unexpected(
            f"expected {len(sent)} bytes with SHA-256 {wanted[:12]}…, "
            f"found {len(received)} bytes with {found[:12]}…"
        )


def _check_thread(
    thread: dict[str, Any], root: str, replies: set[str], with_image: str, file_id: str
) -> None:
    posts = thread.get("posts") or {}
    if set(posts) != {root, *replies}:
        raise Unexpected(
            f"expected the post and its {len(replies)} replies in the thread, "
            f"found {len(posts)} posts"
        )
    for post_id in replies:
        if posts[post_id].get("root_id") != root:
            raise Unexpected(f"expected the reply {post_id} under {root}, found it elsewhere")
    if posts[with_image].get("file_ids") != [file_id]:
        raise Unexpected("expected the image at the last reply, found another list of files")


def _image() -> bytes:
    """A PNG with random colours, so that no cache has it."""
    header = struct.pack(">IIBBBBB", IMAGE_SIDE, IMAGE_SIDE, 8, 2, 0, 0, 0)
    rows = b"".join(b"\0" + secrets.token_bytes(IMAGE_SIDE * 3) for _ in range(IMAGE_SIDE))
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


def _left_behind(what: str, error: Unexpected) -> str:
    return f"The clean-up left {what} behind: {error}."
