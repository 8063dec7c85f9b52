"""etcd lets in only accounts of ours."""

from collections.abc import Generator, Iterator
from dataclasses import dataclass

from pydantic import SecretStr
from pyinfra import host
from pyinfra.api import StringCommand, operation
from pyinfra.api.operation import OperationMeta

from mattermost_host.engine.batch import Question
from mattermost_host.engine.explanations import Change, explain
from mattermost_host.engine.questions import ask, changing, expect

ACCOUNT = "patroni"
PREFIX = "/service/"
"""Patroni's own prefix (`namespace`); its account may write nowhere else."""
WAIT_S = 5


@dataclass(frozen=True)
class Accounts:
    """The passwords of root's and Patroni's accounts."""

    root: SecretStr
    patroni: SecretStr


@dataclass(frozen=True)
class Access:
    """Who may read and write."""

    answered: bool
    open: bool = False
    """Whether everybody with a certificate may, without an account."""
    known: bool = False
    """Whether root's password is the one that we know."""
    granted: bool = False
    """Whether Patroni's account exists and may write below its prefix."""


@dataclass(frozen=True)
class AskAccess(Question[Access]):
    """etcd's accounts, asked through this host's member."""

    about = "the accounts of etcd"
    waits = True

    access: str
    """The file with what etcdctl needs."""

    def script(self) -> str:
        etcdctl = f"timeout {WAIT_S} etcdctl"
        return f"""[ -f {self.access} ] || {{ echo absent; exit 0; }}
set -a; . {self.access}; set +a
{etcdctl} user list && echo known
(unset ETCDCTL_USER; {etcdctl} user list && echo open)
{etcdctl} role get {ACCOUNT}
{etcdctl} user get {ACCOUNT}
echo asked"""

    def parse(self, lines: list[str]) -> Access:
        if "absent" in lines or "asked" not in lines:
            return Access(answered="absent" in lines, open="absent" in lines)
        told = " ".join(" ".join(lines).split())
        granted = f"KV Read: {_SHOWN} KV Write: {_SHOWN} User: {ACCOUNT} Roles: {ACCOUNT}"
        return Access(True, "open" in lines, "known" in lines, granted in told)


_SHOWN = f"[{PREFIX}, {PREFIX.removesuffix('/')}0) (prefix {PREFIX})"
"""How etcdctl shows it: the end is the first key that no longer has the prefix."""


def present(name: str, access: str, accounts: Accounts) -> OperationMeta:
    """Keep two accounts, and nobody let in without one; it is enough on one host of the site."""
    question = AskAccess(access)
    expect(question)
    return _present(name=name, question=question, accounts=accounts)


@operation()
def _present(question: AskAccess, accounts: Accounts) -> Generator[StringCommand, None, None]:
    now = ask(question)
    found = list(_explained(now))
    if not found:
        host.noop("only our accounts may read and write")
        return
    explain(*found)
    yield from changing(
        StringCommand(
            _script(question.access, now),
            _stdin=[accounts.root.get_secret_value(), accounts.patroni.get_secret_value()],
        )
    )


def _explained(now: Access) -> Iterator[Change]:
    if not now.answered:
        yield Change("etcd", "does not tell its accounts", severity="critical")
    elif now.open:
        yield Change("etcd", "lets in everybody who has a certificate", severity="critical")
    elif not now.known:
        yield Change(
            "etcd",
            "does not know root's password of the secrets file (passwords.etcd-root)",
            severity="critical",
            heals=False,
        )
    elif not now.granted:
        yield Change(f"etcd's account {ACCOUNT}", "may not write below its prefix")


def _script(access: str, now: Access) -> str:
    """Each step can be repeated; the last one shuts out whoever has no account."""
    without = "unset ETCDCTL_USER" if now.open else ":"
    return f"""set -eu
read -r root; read -r patroni
set -a; . {access}; set +a
{without}
account() {{
  etcdctl user get "$1" >/dev/null 2>&1 || verb=add
  printf '%s' "$2" | etcdctl user "${{verb:-passwd}}" "$1" --interactive=false >/dev/null
}}
(account root "$root")
(account {ACCOUNT} "$patroni")
etcdctl role get {ACCOUNT} >/dev/null 2>&1 || etcdctl role add {ACCOUNT} >/dev/null
etcdctl role grant-permission {ACCOUNT} --prefix=true readwrite {PREFIX} >/dev/null
etcdctl user grant-role {ACCOUNT} {ACCOUNT} >/dev/null
etcdctl auth enable >/dev/null"""
