"""The account of a service: there, without a shell, and as described."""

import pytest

from mattermost_host.ops import account
from mattermost_host.ops.account import NO_SHELL, Account
from tests.unit import local
from tests.unit.fake_host import answering, plan

QUESTION = Account("mattermost")
HOME = "/var/lib/mattermost"
RIGHT = (HOME, NO_SHELL, "mattermost")


@pytest.mark.parametrize(
    ("found", "command"),
    [
        (RIGHT, None),
        (None, "useradd"),
        (("/opt/mattermost", NO_SHELL, "mattermost"), "usermod"),
        ((HOME, "/bin/bash", "mattermost"), "usermod"),
        ((HOME, NO_SHELL, "nogroup"), "usermod"),
        ((HOME, NO_SHELL, "mattermost sudo"), "--groups ''"),
        ((*RIGHT, "a password"), "--lock"),
    ],
)
def test_answers_in_commands_out(found: tuple[str, ...] | None, command: str | None) -> None:
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


def test_reading() -> None:
    assert QUESTION.parse([]) is None
    passwd = f"mattermost:x:999:998::{HOME}:{NO_SHELL}"
    assert QUESTION.parse([passwd, "mattermost"]) == RIGHT
    assert QUESTION.parse([passwd, "mattermost sudo", "a password"]) != RIGHT


def test_the_real_answer() -> None:
    assert (local.ask_here(Account("root")) or ())[:3] == ("/root", "/bin/bash", "root")
    assert local.ask_here(Account("no-such-user-here")) is None
