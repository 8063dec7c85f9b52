"""System accounts: ours, which runs the server, and those of packages."""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass

from pyinfra import host
from pyinfra.api import StringCommand, operation
from pyinfra.api.operation import OperationMeta

from mattermost_host.engine.batch import Question
from mattermost_host.engine.explanations import Change, explain
from mattermost_host.engine.questions import ask, changing, expect

NO_SHELL = "/usr/sbin/nologin"
PRIVILEGED = frozenset(
    {"root", "sudo", "wheel", "admin", "docker", "lxd", "incus-admin", "disk", "shadow", "kmem"}
)
"""Groups whose members are root or can become root."""
ENTRY = 8
"""Number of fields in a line of passwd, including our prefix."""


@dataclass(frozen=True)
class Found:
    """An account on the host."""

    home: str
    shell: str
    groups: tuple[str, ...]
    """Groups, the primary one first."""
    password: bool = False
    """Whether somebody can log in with one, or with none at all."""
    twins: tuple[str, ...] = ()
    """Other accounts with the same uid, who own everything that it owns."""
    members: tuple[str, ...] = ()
    """Other accounts in its own group, who can read the group's files."""


@dataclass(frozen=True)
class Account(Question[Found | None]):
    """The account ``user``; None if there is none."""

    about = "the account {user}"

    user: str

    @classmethod
    def joined(cls, questions: Sequence["Account"]) -> "Accounts":
        """One question for all accounts, so that the tables are read once."""
        return Accounts(tuple(dict.fromkeys(one.user for one in questions)))

    def part(self, answer: dict[str, Found]) -> Found | None:
        """Our account."""
        return answer.get(self.user)

    def script(self) -> str:
        return Accounts((self.user,)).script()

    def parse(self, lines: list[str]) -> Found | None:
        return self.part(Accounts((self.user,)).parse(lines))


@dataclass(frozen=True)
class Accounts(Question[dict[str, Found]]):
    """Those of ``users`` that exist."""

    about = "accounts"

    users: tuple[str, ...]

    def script(self) -> str:
        return (
            "getent passwd | sed s/^/user:/; getent group | sed s/^/group:/\n"
            f"getent shadow {' '.join(self.users)}"
            # Without any password in the field, everybody knows it.
            " | sed -n 's/^\\([^:]*\\)::.*/password:\\1/p; s/^\\([^:]*\\):[^!*:].*/password:\\1/p'"
        )

    def parse(self, lines: list[str]) -> dict[str, Found]:
        rows = [line.split(":") for line in lines]
        accounts = {row[1]: row for row in rows if row[0] == "user" and len(row) == ENTRY}
        return {
            user: Found(
                home=accounts[user][6],
                shell=accounts[user][7],
                groups=_groups(user, accounts[user][4], rows),
                password=["password", user] in rows,
                twins=tuple(
                    name
                    for name, row in accounts.items()
                    if row[3] == accounts[user][3] and name != user
                ),
                members=_members(user, rows),
            )
            for user in self.users
            if user in accounts
        }


def _groups(user: str, primary: str, rows: Sequence[Sequence[str]]) -> tuple[str, ...]:
    groups = [row for row in rows if row[0] == "group"]
    first = [row[1] for row in groups if row[3] == primary]
    others = [row[1] for row in groups if row[3] != primary and user in row[4].split(",")]
    return (*first[:1], *others)


def _members(user: str, rows: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """Other members of the account's own group: listed in it, or with its gid."""
    own = next((row for row in rows if row[0] == "group" and row[1] == user), None)
    if own is None:
        return ()
    accounts = [row for row in rows if row[0] == "user" and len(row) == ENTRY]
    by_number = [row[1] for row in accounts if row[4] == own[3]]
    found = [*filter(None, own[4].split(",")), *by_number]
    return tuple(dict.fromkeys(name for name in found if name != user))


@dataclass(frozen=True)
class Wanted:
    """What an account should be."""

    user: str
    shell: str = NO_SHELL
    home: str = ""
    """Home of our account, which is only in its own group; empty for a package's account."""

    def flaws(self, found: Found) -> Iterator[str]:
        """What is wrong with it, as predicates of sentences."""
        if found.twins:
            yield f"has the same number as {', '.join(found.twins)}"
        if self.home and found.home != self.home:
            yield f"has home {found.home}"
        # /sbin is a link to /usr/sbin; packages of Enterprise Linux state /sbin.
        if self.shell not in (found.shell, f"/usr{found.shell}"):
            yield f"has shell {found.shell}"
        if extra := self.extra_groups(found):
            yield f"is in {', '.join(extra)}"
        if found.password:
            yield "has a password"
        if self.home and found.members:
            yield f"shares its group with {', '.join(found.members)}"

    def extra_groups(self, found: Found) -> tuple[str, ...]:
        """The groups that it must not be in; our account may only be in its own."""
        if self.home:
            return tuple(one for one in found.groups if one != self.user) or (
                () if found.groups else ("no group",)
            )
        return tuple(one for one in found.groups if one in PRIVILEGED)


def system_account(name: str, user: str, home: str) -> OperationMeta:
    """Keep the system account ``user``, with a group of its own and without a login shell."""
    expect(Account(user))
    return _kept(name=name, wanted=Wanted(user, home=home))


def unprivileged(name: str, user: str, login: str = NO_SHELL) -> OperationMeta:
    """Keep a package's account locked, and out of groups that can become root.

    ``login`` is the shell that the package gives it.
    """
    expect(Account(user))
    return _kept(name=name, wanted=Wanted(user, login))


@operation()
def _kept(wanted: Wanted) -> Generator[StringCommand, None, None]:
    user, found = wanted.user, ask(Account(wanted.user))
    flaws = list(wanted.flaws(found)) if found else []
    if not flaws and (found or not wanted.home):
        host.noop("the account is as described")
    elif found is None:
        explain(Change(f"the account {user}", "is missing"))
        yield from changing(
            StringCommand(
                f"getent group {user} >/dev/null || groupadd --system {user}; "
                f"useradd --system --gid {user} --home-dir {wanted.home} --no-create-home "
                f"--shell {NO_SHELL} {user}"
            )
        )
    else:
        said = " and ".join(flaws)
        explain(Change(f"the account {user}", said, severity="critical"))
        if found.twins:
            # A run can't know which of the two accounts owns the files.
            other = user if "root" in found.twins else found.twins[0]
            refused = f"the account {user} {said}: give {other} another one (usermod -u), or none"
            yield StringCommand(f"echo '{refused}' >&2; exit 1")
            return
        yield from changing(StringCommand(_repair(wanted, found)))


def _repair(wanted: Wanted, found: Found) -> str:
    user = wanted.user
    if wanted.home:
        commands = [
            f"set -e; getent group {user} >/dev/null || groupadd --system {user}",
            f"usermod --lock --gid {user} --groups '' --shell {wanted.shell} {user}",
            *(_taken_out(other, user) for other in found.members),
            *([] if found.home == wanted.home else [_move_home(user, wanted.home)]),
        ]
        return "; ".join(commands)
    left = ",".join(one for one in found.groups[1:] if one not in PRIVILEGED)
    primary = f"--gid {user} " if found.groups[0] in PRIVILEGED else ""
    return f"usermod --lock {primary}--groups '{left}' --shell {wanted.shell} {user}"


def _taken_out(other: str, group: str) -> str:
    """Remove ``other`` from the group; refuses if it is their primary group."""
    refused = f"{group} is the first group of the account {other}: give it another (usermod -g)"
    return f"gpasswd -d {other} {group} >/dev/null || {{ echo '{refused}' >&2; exit 1; }}"


def _move_home(user: str, home: str) -> str:
    """Change the home in the password file, without stopping the server as usermod would require.

    vipw locks the file and runs its editor on a copy.
    """
    edit = rf"sed -i -E 's#^({user}(:[^:]*){{4}}):[^:]*:#\1:{home}:#'"
    done = f'[ "$(getent passwd {user} | cut -d : -f 6)" = {home} ]'
    # vipw ignores a copy whose time of change is within the same second, so wait for one.
    return f'sleep 1; unset VISUAL; EDITOR="{edit}" vipw -q >/dev/null </dev/null; {done}'
