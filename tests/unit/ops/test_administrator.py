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
ADMIN = Found(answered=True, roles="system_user system_admin", id="id1")
MEMBER = Found(answered=True, roles="system_user", id="id1")
NOBODY = Found(answered=True)
SILENT = Found(answered=False)
MISSING = '{"id":"app.user.missing_account.const","status_code":404}'
OTHERS = '[{"username":"boss","delete_at":0},{"username":"gone","delete_at":1}]'


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


def test_an_administrator_by_another_name_is_left_alone() -> None:
    """Renamed in the console: by the old name there is nobody, and the address is taken."""
    renamed = Found(answered=True, others=("boss",))
    assert _plan(renamed).changed == []


def test_a_name_is_looked_for_as_the_server_keeps_it() -> None:
    asked = plan(
        lambda: administrator.administrator(
            name="she exists",
            socket=SOCKET,
            username="SysAdmin",
            email="root@example.com",
            password=SecretStr(PASSWORD),
        )
    )
    assert asked.questions == [QUESTION]


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
        ([MISSING, "others:", "[]"], NOBODY),
        ([MISSING, "others:", OTHERS], Found(answered=True, others=("boss",))),
        ([MISSING, "others:", "<html>"], SILENT),
    ],
)
def test_reading(lines: list[str], answer: Found) -> None:
    assert QUESTION.parse(lines) == answer


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        (NOBODY, "is missing"),
        (MEMBER, "is no administrator"),
        (SILENT, "can't be checked: the server, or its database, does not answer"),
    ],
)
def test_what_is_wrong_is_a_sentence(found: Found, sentence: str) -> None:
    assert found.sentence == sentence


def test_a_server_without_its_database_answers_errors_and_says_nothing_of_anybody() -> None:
    error = '{"id":"app.user.get_by_username.app_error","status_code":500}'
    assert QUESTION.parse([error, administrator.OTHERS, error]) == SILENT
    assert QUESTION.parse([MISSING, administrator.OTHERS, error]) == SILENT
    assert QUESTION.parse(["[]"]) == SILENT


def _curl(folder: Path, log: Path, body: Path) -> Path:
    """A server that makes user abc123."""
    local.program(
        folder / "programs",
        "curl",
        f"""echo "$*" >>{log}
case "$*" in *@-*) cat >{body}; echo '{{"id": "abc123", "team": {{"id": "x9"}}}}' ;; esac""",
    )
    return folder / "programs"


def test_the_real_shell_creates_promotes_and_verifies(tmp_path: Path) -> None:
    log, body = tmp_path / "log", tmp_path / "body"
    step = _plan(NOBODY).steps[0]
    done = local.run(step.shell, step.stdin, _curl(tmp_path, log, body))
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(body.read_text())["password"] == PASSWORD
    create, promote, verify = log.read_text().splitlines()
    assert create.endswith("/api/v4/users")
    assert promote.endswith("/api/v4/users/abc123/roles")
    assert verify.endswith("/api/v4/users/abc123/email/verify/member")
    assert "Hunter" not in log.read_text()


def test_the_real_shell_promotes_whom_the_question_found(tmp_path: Path) -> None:
    log = tmp_path / "log"
    step = _plan(MEMBER).steps[0]
    done = local.run(step.shell, step.stdin, _curl(tmp_path, log, tmp_path / "body"))
    assert (done.returncode, done.stderr) == (0, "")
    promote, verify = log.read_text().splitlines()
    assert promote.endswith("/users/id1/roles")
    assert verify.endswith("/users/id1/email/verify/member")


def test_who_else_is_administrator_is_asked_only_where_the_user_is_none(tmp_path: Path) -> None:
    for answer, others in (
        (OTHERS, True),
        ('{"id":"id1","roles":"system_admin"}', False),
        ("", False),
    ):
        log = tmp_path / "log"
        log.write_text("")
        local.program(
            tmp_path / "programs",
            "curl",
            f"""echo "$*" >>{log}
case "$*" in */username/*) echo '{MISSING if others else answer}' ;; *) echo '{OTHERS}' ;; esac""",
        )
        found = local.ask_here(QUESTION, tmp_path / "programs")
        assert (found.others == ("boss",)) is others
        assert len(log.read_text().splitlines()) == 1 + others


def test_a_refusal_is_told_in_the_server_s_own_words_and_ends_the_run(tmp_path: Path) -> None:
    words = "Your password must contain at least 14 characters."
    said = json.dumps({"id": "model.user.is_valid.pwd", "message": words, "status_code": 400})
    failed = "curl: (22) The requested URL returned error: 400"
    local.program(
        tmp_path / "programs",
        "curl",
        f"cat >/dev/null; echo '{said}'; echo '{failed}' >&2; exit 22",
    )
    step = _plan(NOBODY).steps[0]
    done = local.run(step.shell, step.stdin, tmp_path / "programs")
    assert done.returncode != 0
    assert done.stderr.splitlines()[-1] == (
        f"the server refuses: {words} Correct the administrator (mattermost.administrator) or its "
        "password (admin_password in the secrets file)."
    )


def test_a_server_that_says_nothing_is_curl_s_sentence(tmp_path: Path) -> None:
    failed = "curl: (28) Operation timed out"
    local.program(tmp_path / "programs", "curl", f"cat >/dev/null; echo '{failed}' >&2; exit 28")
    step = _plan(NOBODY).steps[0]
    done = local.run(step.shell, step.stdin, tmp_path / "programs")
    assert done.returncode != 0
    assert done.stderr == f"{failed}\n"
