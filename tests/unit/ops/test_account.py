"""The account of a service: there, without a shell, and as described."""

from dataclasses import replace

import pytest

from mattermost_host.ops import account
from mattermost_host.ops.account import NO_SHELL, Account, Found
from tests.unit import local
from tests.unit.fake_host import answering, plan

QUESTION = Account("mattermost")
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
        assert HOME in shell


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


def test_reading() -> None:
    assert QUESTION.parse([]) is None
    passwd = f"mattermost:x:999:998::{HOME}:{NO_SHELL}"
    assert QUESTION.parse([passwd, "mattermost", "twin=mattermost"]) == RIGHT
    assert QUESTION.parse([passwd, "mattermost sudo", "password=", "twin=evil"]) == Found(
        HOME, NO_SHELL, ("mattermost", "sudo"), password=True, twins=("evil",)
    )


def test_the_real_answer() -> None:
    root = local.ask_here(Account("root"))
    assert isinstance(root, Found)
    assert (root.home, root.shell, root.groups[0]) == ("/root", "/bin/bash", "root")
    assert root.twins == ()
    assert local.ask_here(Account("no-such-user-here")) is None
