"""The first administrator, made through the server's local socket before anybody else can come.

The password travels by standard input; a person who exists is never given another password.
"""

import json
import shlex
from collections.abc import Generator
from dataclasses import dataclass
from http import HTTPStatus

from pydantic import SecretStr
from pyinfra import host
from pyinfra.api import StringCommand, operation
from pyinfra.api.operation import OperationMeta

from mattermost_host.engine.batch import Question
from mattermost_host.engine.explanations import Change, explain
from mattermost_host.engine.questions import ask, changing, expect

LOOK_S = 4
"""A server that works answers in milliseconds; one that hangs is to be named, not waited for."""
CURL = "curl --silent --show-error --max-time 30 --unix-socket"


@dataclass(frozen=True)
class AskUser(Question["Found"]):
    """The user ``username``, by the server's local socket."""

    socket: str
    username: str

    def script(self) -> str:
        return f"curl --silent --max-time {LOOK_S} --unix-socket {self.socket} http://local/api/v4/users/username/{shlex.quote(self.username)}"

    def parse(self, lines: list[str]) -> "Found":
        try:
            answer = json.loads("\n".join(lines))
        except ValueError:
            return Found(answered=False)
        # Without its database it answers, too: that it can't tell.
        told = "roles" in answer or answer.get("status_code") == HTTPStatus.NOT_FOUND
        return Found(answered=told, roles=answer.get("roles"))


@dataclass(frozen=True)
class Found:
    """What the server says of a user."""

    answered: bool
    roles: str | None = None
    """None where there is no such user."""

    @property
    def sentence(self) -> str:
        """What is wrong with the user."""
        if not self.answered:
            return "can't be looked for: the server does not answer, or without its database"
        return "is missing" if self.roles is None else "is no administrator"


def administrator(
    name: str, socket: str, username: str, email: str, password: SecretStr
) -> OperationMeta:
    """Keep an administrator called ``username``."""
    question = AskUser(socket, username)
    expect(question)
    return _administrator(name=name, question=question, email=email, password=password)


@operation()
def _administrator(
    question: AskUser, email: str, password: SecretStr
) -> Generator[StringCommand, None, None]:
    found: Found = ask(question)
    if found.roles is not None and "system_admin" in found.roles.split():
        host.noop("the administrator exists")
        return
    explain(Change(f"the user {question.username}", found.sentence))
    user = {
        "username": question.username,
        "email": email,
        "password": password.get_secret_value(),
    }
    created = found.roles is None
    yield from changing(
        StringCommand(_script(question, created), _stdin=[json.dumps(user)] if created else [])
    )


def _script(question: AskUser, create: bool) -> str:
    url = "http://local/api/v4/users"
    curl = f"{CURL} {question.socket} --fail-with-body -o /dev/null"
    name = shlex.quote(question.username)
    lines = ["set -eu"]
    if create:
        lines.append(f"{curl} -H 'Content-Type: application/json' --data-binary @- {url}")
    lines += [
        f"id=$({CURL} {question.socket} {url}/username/{name}"
        """ | grep -o '"id" *: *"[a-z0-9]*"' | head -n 1 | cut -d '"' -f 4)""",
        f"{curl} -X PUT -H 'Content-Type: application/json'"
        """ --data '{"roles":"system_user system_admin"}' """ + f"{url}/$id/roles",
        f"{curl} -X POST {url}/$id/email/verify/member",
    ]
    return "\n".join(lines)
