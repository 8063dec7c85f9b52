"""A system account that runs one service."""

from collections.abc import Generator
from dataclasses import dataclass

from pyinfra import host
from pyinfra.api import StringCommand, operation
from pyinfra.api.operation import OperationMeta

from mattermost_host.engine.batch import Question
from mattermost_host.engine.explanations import Change, explain
from mattermost_host.engine.questions import ask, changing, expect

NO_SHELL = "/usr/sbin/nologin"


@dataclass(frozen=True)
class Account(Question[tuple[str, ...] | None]):
    """Home, shell and groups of ``user``, and its password if there is one; None where no user."""

    user: str

    def script(self) -> str:
        return (
            f"getent passwd {self.user} && id -Gn {self.user} &&"
            f" getent shadow {self.user} | sed -n 's/^[^:]*:[^!*:].*/a password/p'"
        )

    def parse(self, lines: list[str]) -> tuple[str, ...] | None:
        if len(lines) < 2:
            return None
        fields = lines[0].split(":")
        return fields[5], fields[6], *lines[1:]


def system_account(name: str, user: str, home: str) -> OperationMeta:
    """Keep the system account ``user``, with a group of its own and without a login shell."""
    expect(Account(user))
    return _system_account(name=name, user=user, home=home)


@operation()
def _system_account(user: str, home: str) -> Generator[StringCommand, None, None]:
    found = ask(Account(user))
    if found == (home, NO_SHELL, user):
        host.noop("the account is as described")
    elif found is None:
        explain(Change(f"the account {user}", "is missing"))
        yield from changing(
            StringCommand(
                f"getent group {user} >/dev/null || groupadd --system {user}; "
                f"useradd --system --gid {user} --home-dir {home} --no-create-home "
                f"--shell {NO_SHELL} {user}"
            )
        )
    else:
        now = f"has home {found[0]}, shell {found[1]}, groups {', '.join(found[2:])}"
        explain(Change(f"the account {user}", now, severity="critical"))
        yield from changing(
            StringCommand(
                f"getent group {user} >/dev/null || groupadd --system {user}; "
                f"usermod --lock --gid {user} --groups '' --home {home} --shell {NO_SHELL} {user}"
            )
        )
