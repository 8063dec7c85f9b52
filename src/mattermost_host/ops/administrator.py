"""The first administrator, created through the server's local socket before others can sign up.

The password is sent on standard input; the password of an existing user is never changed.
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
from mattermost_host.ops.probe import PATIENCE_S

USERS = "http://local/api/v4/users"
OTHERS = "others:"
REMEDY = (
    "Correct the administrator (mattermost.administrator) or its password (admin_password in the "
    "secrets file)."
)
CURL = "curl --silent --show-error --max-time 30 --unix-socket"


@dataclass(frozen=True)
class AskUser(Question["Found"]):
    """Ask the server's local socket for the user ``username``, and for other administrators."""

    about = "the server's user {username}"
    waits = True

    socket: str
    username: str

    def script(self) -> str:
        curl = f"curl --silent --max-time {PATIENCE_S} --unix-socket {self.socket}"
        name = shlex.quote(self.username)
        return (
            f"one=$({curl} {USERS}/username/{name}); printf '%s\\n' \"$one\"\n"
            "case $one in *system_admin*|'') ;;\n"
            f"*) echo {OTHERS}; {curl} '{USERS}?role=system_admin&active=true' ;; esac"
        )

    def parse(self, lines: list[str]) -> "Found":
        at = lines.index(OTHERS) if OTHERS in lines else len(lines)
        try:
            user = json.loads("\n".join(lines[:at]))
            others = json.loads("\n".join(lines[at + 1 :]) or "[]")
        except ValueError:
            return Found(answered=False)
        # Without its database the server answers, too, with an error object instead of a list.
        if not isinstance(user, dict) or not isinstance(others, list):
            return Found(answered=False)
        names = tuple(one["username"] for one in others if not one.get("delete_at"))
        told = "roles" in user or user.get("status_code") == HTTPStatus.NOT_FOUND
        return Found(told, user.get("roles"), user["id"] if "roles" in user else "", names)


@dataclass(frozen=True)
class Found:
    """What the server says about a user."""

    answered: bool
    roles: str | None = None
    """The user; None if there is no such user."""
    id: str = ""
    others: tuple[str, ...] = ()
    """Names of administrators, if the user is not one."""

    @property
    def sentence(self) -> str:
        """What is wrong with the user, as the predicate of a sentence; empty if nothing is."""
        if not self.answered:
            return "can't be checked: the server, or its database, does not answer"
        return "is missing" if self.roles is None else "is no administrator"


def administrator(
    name: str, socket: str, username: str, email: str, password: SecretStr
) -> OperationMeta:
    """Keep an administrator: ``username``, or any other one."""
    question = AskUser(socket, username.lower())
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
    if found.roles is None and found.others:
        # The first one was renamed or replaced: don't create another.
        host.noop(f"there is an administrator: {', '.join(found.others)}")
        return
    explain(Change(f"the user {question.username}", found.sentence))
    user = {
        "username": question.username,
        "email": email,
        "password": password.get_secret_value(),
    }
    stdin = [] if found.id else [json.dumps(user)]
    yield from changing(StringCommand(_script(question, found.id), _stdin=stdin))


def _script(question: AskUser, user_id: str) -> str:
    """Create the user unless it exists, and give it the role and a verified mail address.

    A refusal is reported in the server's own words.
    """
    json_type = "-H 'Content-Type: application/json'"
    lines = [
        "set -eu",
        f'asked() {{ said=$({CURL} {question.socket} --fail-with-body "$@") && return',
        '  [ -n "$said" ] || exit 1',
        """  words=$(printf '%s' "$said" | sed -n 's/.*"message" *: *"\\([^"]*\\)".*/\\1/p')""",
        f'  echo "the server refuses: ${{words:-$said}} {REMEDY}" >&2; exit 1; }}',
        f"id={user_id}",
    ]
    if not user_id:
        lines += [
            f"asked {json_type} --data-binary @- {USERS}",
            """id=$(printf '%s' "$said" | grep -o '"id" *: *"[a-z0-9]*"' | head -n 1)""",
            """id=$(echo "$id" | cut -d '"' -f 4)""",
        ]
    lines += [
        f"asked -X PUT {json_type}"
        """ --data '{"roles":"system_user system_admin"}' """ + f"{USERS}/$id/roles",
        f"asked -X POST {USERS}/$id/email/verify/member",
    ]
    return "\n".join(lines)
