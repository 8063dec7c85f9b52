"""Accounts of PostgreSQL with passwords; neither a password nor a verifier leaves its file.

PostgreSQL stores a SCRAM verifier. Ours has a salt that follows from the password, so it can be
compared by a digest.
"""

import base64
import hashlib
import hmac
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pydantic import SecretStr
from pyinfra import host
from pyinfra.api import StringCommand, operation
from pyinfra.api.operation import OperationMeta

from mattermost_host.engine.batch import Question
from mattermost_host.engine.explanations import Change, explain
from mattermost_host.engine.questions import ask, changing, expect
from mattermost_host.ops.database_state import Client
from mattermost_host.ops.probe import PATIENCE_S

ITERATIONS = 4096
"""PostgreSQL's own number (scram_iterations)."""


@dataclass(frozen=True)
class Account:
    """An account of PostgreSQL, its password, and what it may do besides logging in."""

    name: str
    password: SecretStr
    attributes: str = "LOGIN"
    may_execute: tuple[str, ...] = ()
    """Functions with the types of their arguments."""

    @property
    def verifier(self) -> str:
        """What PostgreSQL stores of the password."""
        return verifier(self.name, self.password)

    def statements(self, *, exists: bool) -> Iterator[str]:
        """SQL that makes it as described."""
        yield f"{'ALTER' if exists else 'CREATE'} ROLE {self.name} {self.attributes};"
        yield f"ALTER ROLE {self.name} PASSWORD '{self.verifier}';"
        for function in self.may_execute:
            yield f"GRANT EXECUTE ON FUNCTION {function} TO {self.name};"


@dataclass(frozen=True)
class AskAccounts(Question[Mapping[str, str] | None]):
    """SHA-256 of the stored verifiers, by account; None on a host that does not lead."""

    about = "the accounts of the database"
    waits = True

    accounts: tuple[tuple[str, tuple[str, ...]], ...]
    client: Client

    def script(self) -> str:
        asked = " union ".join(self._of(*one) for one in self.accounts)
        leads = "select 'leads' where not pg_is_in_recovery()"
        psql = self.client.command(PATIENCE_S, asks=True)
        return f'{psql} -At -d postgres -c "{leads}" -c "{asked}"'

    def _of(self, name: str, functions: tuple[str, ...]) -> str:
        digest = "encode(sha256(convert_to(coalesce(rolpassword, ''), 'UTF8')), 'hex')"
        may = [f"has_function_privilege(oid, '{one}', 'execute')" for one in functions]
        granted = " and ".join(may) or "true"
        return (
            f"select rolname||'='||{digest}||case when {granted} then '' else ' less' end"
            f" from pg_authid where rolname = '{name}'"
        )

    def parse(self, lines: list[str]) -> Mapping[str, str] | None:
        if "leads" not in lines:
            return None
        return dict(line.split("=", 1) for line in lines if "=" in line)


def verifier(account: str, password: SecretStr) -> str:
    """The SCRAM-SHA-256 verifier as PostgreSQL stores it (RFC 5803)."""
    secret = password.get_secret_value().encode()
    salt = hmac.digest(secret, f"mattermost-host salt of {account}".encode(), "sha256")[:16]
    salted = hashlib.pbkdf2_hmac("sha256", secret, salt, ITERATIONS)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    shown = [base64.b64encode(one).decode() for one in (salt, stored, server)]
    return f"SCRAM-SHA-256${ITERATIONS}:{shown[0]}${shown[1]}:{shown[2]}"


def present(name: str, client: Client, accounts: Sequence[Account]) -> OperationMeta:
    """Keep ``accounts``; on the leader, from which the others have them."""
    question = AskAccounts(tuple((one.name, one.may_execute) for one in accounts), client)
    expect(question)
    return _present(name=name, question=question, accounts=tuple(accounts))


@operation()
def _present(
    question: AskAccounts, accounts: tuple[Account, ...]
) -> Generator[StringCommand, None, None]:
    found = ask(question)
    if found is None:
        host.noop("it is the leader that has the accounts")
        return
    wrong = [one for one in accounts if found.get(one.name) != _digest(one)]
    if not wrong:
        host.noop("the accounts are as described")
        return
    explain(*(_told(one, found) for one in wrong))
    statements = ["SET log_statement = 'none';"]
    for one in wrong:
        statements += one.statements(exists=one.name in found)
    command = f"{question.client.command()} -d postgres -f -"
    yield from changing(StringCommand(command, _stdin=statements))


def _digest(account: Account) -> str:
    return hashlib.sha256(account.verifier.encode()).hexdigest()


def _told(account: Account, found: Mapping[str, str]) -> Change:
    subject = f"the role {account.name}"
    if account.name not in found:
        return Change(subject, "is missing")
    if found[account.name].endswith(" less"):
        return Change(subject, "may not do what it has to")
    return Change(subject, "has another password than in the secrets file", severity="critical")
