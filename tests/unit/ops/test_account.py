"""The account of a service: there, without a shell, and as described."""

from dataclasses import replace
from pathlib import Path

import pytest

from mattermost_host.ops import account
from mattermost_host.ops.account import NO_SHELL, Account, Found
from tests.unit import local
from tests.unit.fake_host import answering, plan

QUESTION = Account("mattermost")
TABLE_OF_GROUP = "group:mattermost:x:998:"
HOME = "/var/lib/mattermost"
RIGHT = Found(HOME, NO_SHELL, ("mattermost",))
POSTGRES = Found("/var/lib/postgresql", "/bin/bash", ("postgres", "ssl-cert"))


@pytest.mark.parametrize(
    ("found", "command"),
    [
        (RIGHT, None),
        (None, "useradd"),
        (replace(RIGHT, home="/opt/mattermost"), "usermod"),
        (replace(RIGHT, shell="/bin/bash"), "usermod"),
        (replace(RIGHT, groups=("nogroup",)), "usermod"),
        (replace(RIGHT, groups=("mattermost", "sudo")), "--groups ''"),
        (replace(RIGHT, password=True), "--lock"),
        (replace(RIGHT, members=("games",)), "gpasswd -d games mattermost"),
    ],
)
def test_answers_in_commands_out(found: Found | None, command: str | None) -> None:
    shell = plan(
        lambda: account.system_account(name="it exists", user="mattermost", home=HOME),
        answer=answering({QUESTION: found}),
    ).shell
    if command is None:
        assert shell == ""
    else:
        assert f"{command} " in shell
        assert f"--shell {NO_SHELL} mattermost" in shell
        assert (HOME in shell) == (found is None or found.home != HOME)


def test_only_another_home_needs_the_editor_of_the_password_file() -> None:
    """usermod refuses it while the server runs, and nothing else."""
    shells = {
        home: plan(
            lambda: account.system_account(name="it exists", user="mattermost", home=HOME),
            answer=answering({QUESTION: replace(RIGHT, home=home, shell="/bin/bash")}),
        ).shell
        for home in (HOME, "/hacked")
    }
    assert "vipw" not in shells[HOME]
    assert "vipw" in shells["/hacked"] and "--home" not in shells["/hacked"]


def test_the_home_is_put_right_by_vipw_s_editor(tmp_path: Path) -> None:
    """vipw calls the editor with a copy of the file; the rest of it stays."""
    passwd = tmp_path / "passwd"
    others = "root:x:0:0:root:/root:/bin/bash\nmattermost2:x:5:5::/hacked:/bin/sh\n"
    passwd.write_text(f"{others}mattermost:x:999:998:a, b:/hacked:{NO_SHELL}\n")
    programs = tmp_path / "programs"
    local.program(programs, "vipw", f'exec sh -c "$EDITOR {passwd}"')
    local.program(programs, "getent", f"grep ^mattermost: {passwd}")
    local.program(programs, "sleep", "true")
    done = local.run(account._move_home("mattermost", HOME), programs=programs)
    assert (done.returncode, done.stderr) == (0, "")
    assert passwd.read_text() == f"{others}mattermost:x:999:998:a, b:{HOME}:{NO_SHELL}\n"


@pytest.mark.parametrize(
    ("found", "part"),
    [
        (POSTGRES, None),
        (None, None),  # its package is not there yet
        (replace(POSTGRES, groups=(*POSTGRES.groups, "sudo")), "--groups 'ssl-cert' "),
        (replace(POSTGRES, groups=("docker",)), "--gid postgres --groups '' "),
        (replace(POSTGRES, shell="/bin/zsh"), "--shell /bin/bash postgres"),
        (replace(POSTGRES, password=True), "usermod --lock "),
    ],
)
def test_the_account_of_a_package(found: Found | None, part: str | None) -> None:
    shell = plan(
        lambda: account.unprivileged(name="it is kept", user="postgres", login="/bin/bash"),
        answer=answering({Account("postgres"): found}),
    ).shell
    assert (shell == "") if part is None else (part in shell)


def test_two_accounts_of_one_number_are_refused() -> None:
    shell = plan(
        lambda: account.system_account(name="it exists", user="mattermost", home=HOME),
        answer=answering({QUESTION: replace(RIGHT, twins=("evil",))}),
    ).shell
    assert "has the same number as evil" in shell
    assert "exit 1" in shell
    assert "usermod -" not in shell.partition(":")[0]


def test_where_the_number_is_root_s_the_account_gets_another_one() -> None:
    shell = plan(
        lambda: account.system_account(name="it exists", user="mattermost", home=HOME),
        answer=answering({QUESTION: replace(RIGHT, twins=("root",))}),
    ).shell
    assert "give mattermost another one" in shell


@pytest.mark.parametrize(
    "lines",
    [
        [f"{TABLE_OF_GROUP}games,mattermost"],
        [f"{TABLE_OF_GROUP}", "user:games:x:5:998::/:/bin/sh"],
    ],
)
def test_who_else_is_in_the_group_is_seen(lines: list[str]) -> None:
    """The group may read the file with the server's secrets."""
    found = QUESTION.parse([*TABLES[:-1], *lines])
    assert found == replace(RIGHT, members=("games",))


def test_an_account_whose_first_group_it_is_is_named(tmp_path: Path) -> None:
    local.program(tmp_path, "gpasswd", "exit 3")
    done = local.run(f"set -e; {account._taken_out('games', 'mattermost')}", programs=tmp_path)
    assert (done.returncode, "first group of the account games" in done.stderr) == (1, True)


TABLES = (
    "user:root:x:0:0:root:/root:/bin/bash",
    f"user:mattermost:x:999:998::{HOME}:{NO_SHELL}",
    "group:root:x:0:",
    "group:sudo:x:27:other",
    TABLE_OF_GROUP,
)


def test_reading() -> None:
    assert QUESTION.parse([]) is None
    assert QUESTION.parse([*TABLES]) == RIGHT
    evil = [line.replace("sudo:x:27:other", "sudo:x:27:other,mattermost") for line in TABLES]
    evil += ["user:evil:x:999:1::/:/bin/sh", "password:mattermost"]
    assert QUESTION.parse(evil) == Found(
        HOME, NO_SHELL, ("mattermost", "sudo"), password=True, twins=("evil",)
    )


def test_all_accounts_are_read_at_once() -> None:
    root = Account("root")
    joined = Account.joined([QUESTION, root, QUESTION])
    assert joined.users == ("mattermost", "root")
    answer = joined.parse([*TABLES])
    assert QUESTION.part(answer) == RIGHT
    assert root.part(answer) == Found("/root", "/bin/bash", ("root",))


def test_the_real_answer() -> None:
    root = local.ask_here(Account("root"))
    assert isinstance(root, Found)
    assert (root.home, root.shell, root.groups[0]) == ("/root", "/bin/bash", "root")
    assert root.twins == ()
    assert local.ask_here(Account("no-such-user-here")) is None


@pytest.mark.parametrize(
    ("field", "password"), [("!", False), ("*", False), ("!!", False), ("$y$x", True), ("", True)]
)
def test_an_account_that_has_a_password_or_needs_none(
    tmp_path: Path, field: str, *, password: bool
) -> None:
    """What ``getent shadow`` prints; an empty field lets everybody in."""
    tables = "\n".join(line.partition(":")[2] for line in TABLES if line.startswith("user:"))
    shadow = f"mattermost:{field}:19000:0:99999:7:::"
    says = f"case $1 in passwd) printf '%s\\n' '{tables}' ;; shadow) echo '{shadow}' ;; esac"
    local.program(tmp_path, "getent", says)
    done = local.run(QUESTION.script(), programs=tmp_path)
    found = QUESTION.parse(done.stdout.splitlines())
    assert found and found.password == password
