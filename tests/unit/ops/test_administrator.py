"""The first administrator: by the local socket, the password by standard input only."""

import json
from pathlib import Path

import pytest
from pydantic import SecretStr

from mattermost_host.ops import administrator
from mattermost_host.ops.administrator import AskUser, Found
from tests.unit import local
from tests.unit.fake_host import Plan, answering, nothing_installed, plan

PASSWORD = 'Hunter-2 \'and "quotes" $HOME'
SOCKET = "/run/mattermost/local.socket"
QUESTION = AskUser(SOCKET, "sysadmin")
ADMIN = Found(answered=True, roles="system_user system_admin")
MEMBER = Found(answered=True, roles="system_user")
NOBODY = Found(answered=True)
SILENT = Found(answered=False)


def _deploy() -> None:
    administrator.administrator(
        name="she exists",
        socket=SOCKET,
        username="sysadmin",
        email="root@example.com",
        password=SecretStr(PASSWORD),
    )


def _plan(found: Found) -> Plan:
    return plan(_deploy, answer=answering({QUESTION: found}, nothing_installed))


def test_an_administrator_who_exists_is_left_alone() -> None:
    assert _plan(ADMIN).changed == []


def test_a_person_who_exists_keeps_the_password_and_gets_the_role() -> None:
    step = _plan(MEMBER).steps[0]
    assert step.stdin == []
    assert "system_user system_admin" in step.shell
    assert "--data-binary @-" not in step.shell


def test_the_password_is_on_standard_input_and_nowhere_else() -> None:
    result = _plan(NOBODY)
    (line,) = result.steps[0].stdin
    assert json.loads(line) == {
        "username": "sysadmin",
        "email": "root@example.com",
        "password": PASSWORD,
    }
    assert "Hunter" not in result.shell
    assert "Hunter" not in result.steps[0].name


@pytest.mark.parametrize(
    ("lines", "answer"),
    [
        ([], SILENT),
        (["<html>502 Bad Gateway</html>"], SILENT),
        (['{"id":"app.user.missing_account.const","status_code":404}'], NOBODY),
        (['{"id":"id1","roles":"system_user system_admin"}'], ADMIN),
        (['{"id":"id1",', '"roles":"system_user"}'], MEMBER),
    ],
)
def test_reading(lines: list[str], answer: Found) -> None:
    assert QUESTION.parse(lines) == answer


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        (NOBODY, "is missing"),
        (MEMBER, "is no administrator"),
        (SILENT, "can't be looked for: the server does not answer, or without its database"),
    ],
)
def test_what_is_wrong_is_a_sentence(found: Found, sentence: str) -> None:
    assert found.sentence == sentence


def test_the_real_shell_creates_promotes_and_verifies(tmp_path: Path) -> None:
    log, body = tmp_path / "log", tmp_path / "body"
    local.program(
        tmp_path / "programs",
        "curl",
        f"""echo "$*" >>{log}
case "$*" in
  *@-*) cat >{body} ;;
  *username/sysadmin) echo '{{"id": "abc123", "create_at": 1, "roles": "system_user"}}' ;;
esac""",
    )
    step = _plan(NOBODY).steps[0]
    done = local.run(step.shell, step.stdin, tmp_path / "programs")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(body.read_text())["password"] == PASSWORD
    create, find, promote, verify = log.read_text().splitlines()
    assert create.endswith("/api/v4/users")
    assert find.endswith("/api/v4/users/username/sysadmin")
    assert promote.endswith("/api/v4/users/abc123/roles")
    assert verify.endswith("/api/v4/users/abc123/email/verify/member")
    assert "Hunter" not in log.read_text()


def test_a_refusal_of_the_server_is_told_and_ends_the_run(tmp_path: Path) -> None:
    refused = "curl: (22) The requested URL returned error: 400"
    local.program(tmp_path / "programs", "curl", f"cat >/dev/null; echo '{refused}' >&2; exit 22")
    step = _plan(NOBODY).steps[0]
    done = local.run(step.shell, step.stdin, tmp_path / "programs")
    assert done.returncode != 0
    assert refused in done.stderr
