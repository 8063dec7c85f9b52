"""Why a host does not let us become root, and the remedy.

sudo and su run with English messages (see root.py); the messages of a login shell vary.
"""

import re
from dataclasses import dataclass

from mattermost_host.support.errors import OperatorError

LOG_IN = "See that 'ssh' works there, with the inventory's user, port and key"
LAST_LINES = 3
"""Lines of an unknown message that are shown: the last ones, because a greeting comes first."""


@dataclass(frozen=True)
class Refusal:
    """What was found, as a clause, and what to do, as a sentence without its full stop."""

    found: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.found}. {self.remedy}."


class RootRefused(OperatorError):
    """A host where we can't run commands as root; ``refusal`` says why."""

    def __init__(self, host_name: str, said: str) -> None:
        self.refusal = of(said)
        super().__init__(f"{host_name} can't be asked as root: {self.refusal}")


WAYS = (
    "log in as root, or as a user who becomes root by sudo or su as the inventory says (ssh_user, "
    "_sudo, _sudo_password, _su_user, _su_password)"
)
KNOWN = (
    (
        r"a password is required|a terminal is required to read the password",
        "sudo wants a password, and none was given",
        "Set _sudo_password for the host, better in the environment than in the inventory, or let "
        "the user run everything without one: 'USER ALL=(ALL) NOPASSWD: ALL' in a file of "
        "/etc/sudoers.d",
    ),
    (
        r"incorrect password attempt",
        "sudo does not take the password that was given",
        "Correct _sudo_password: it is the password of the user who logs in",
    ),
    (
        r"must have a tty",
        "sudo wants a terminal (Defaults requiretty), and an unattended run has none",
        "Take requiretty out of sudoers for this user: 'Defaults:USER !requiretty'",
    ),
    (
        r"is not in the sudoers file|may not run sudo|is not allowed to (?:execute|run)",
        "the user who logs in may not run everything as root by sudo",
        "Allow it by 'USER ALL=(ALL) ALL' in a file of /etc/sudoers.d, or log in as another "
        "user (ssh_user)",
    ),
    (
        r"sudo: (?:command )?not found|unknown command:? sudo|sudo'?: No such file",
        "there is no sudo on the host",
        "Install it, or log in as root (ssh_user), or set _sudo to False and _su_user to root",
    ),
    (
        r"account is currently not available|account is not available",
        "the login shell of the user is nologin",
        "Log in as a user with a shell (ssh_user), or give this one a shell: usermod -s /bin/bash",
    ),
    (
        r"su: Authentication failure|su: incorrect password",
        "su does not take the password that was given",
        "Correct _su_password: it is the password of _su_user",
    ),
    (
        r"su: must be run from a terminal",
        "su wants a password, and none was given",
        "Set _su_password for the host",
    ),
)


def of(said: str) -> Refusal:
    """The refusal in the output of a host that was asked to run a script as root."""
    for pattern, found, remedy in KNOWN:
        if match := re.search(rf"^.*(?:{pattern}).*$", said, re.MULTILINE):
            return Refusal(f"{found} (it said: {match[0].strip()})", remedy)
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    if not lines:
        return Refusal(
            "the host ran nothing and printed nothing, as with the login shell /bin/false",
            f"See what 'ssh HOST true' does; {WAYS}",
        )
    return Refusal("; ".join(lines[-LAST_LINES:]), WAYS[0].upper() + WAYS[1:])
