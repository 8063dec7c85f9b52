"""Each way in which a host refuses is named, with what to do; what nobody knows is repeated."""

import pytest

from mattermost_host.engine.refusals import RootRefused, of

GREETING = "Welcome to chat!\n*** 3 updates ***\n"


@pytest.mark.parametrize(
    ("said", "found", "remedy"),
    [
        ("sudo: a password is required", "sudo wants a password, and none was", "_sudo_password"),
        ("sudo: 3 incorrect password attempts", "sudo does not take the pass", "_sudo_password"),
        (
            "Sorry, try again.\nsudo: no password was provided\nsudo: 1 incorrect password attempt",
            "sudo does not take the password that was given",
            "Correct _sudo_password",
        ),
        ("sudo: sorry, you must have a tty to run sudo", "requiretty", "!requiretty"),
        ("ann is not in the sudoers file.", "may not run everything as root", "ssh_user"),
        ("Sorry, user ann may not run sudo on h1.", "may not run everything as root", "sudoers.d"),
        (
            "Sorry, user ann is not allowed to execute '/bin/sh -c x' as root on h1.",
            "may not run everything as root",
            "sudoers.d",
        ),
        ("bash: line 1: sudo: command not found", "there is no sudo on the host", "_sudo to False"),
        ("env: 'sudo': No such file or directory", "there is no sudo on the host", "ssh_user"),
        ("This account is currently not available.", "login shell of the user is nolo", "usermod"),
        ("su: Authentication failure", "su does not take the password", "_su_password"),
        ("", "the host ran nothing and printed nothing", "ssh_user"),
        ("kernel: odd", "kernel: odd", "ssh_user"),
    ],
)
def test_a_refusal_is_found_among_what_is_said(said: str, found: str, remedy: str) -> None:
    refusal = of(said and f"{GREETING}{said}\n")
    assert found in refusal.found
    assert remedy in refusal.remedy
    assert said.splitlines()[:1] == [] or said.splitlines()[-1] in refusal.found


def test_the_sentence_names_the_host() -> None:
    error = RootRefused("mm1", "sudo: a password is required")
    assert str(error).startswith("mm1 can't be asked as root: sudo wants a password")
    assert error.refusal.remedy in str(error)
