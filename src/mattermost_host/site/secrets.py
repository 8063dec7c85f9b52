"""The secrets of a site, complete: from its files, from the environment, or generated.

Loading writes nothing. Missing secrets are generated in memory, so that a plan can be made, and are
named in ``planned``; ``keep`` writes them, and only runs that change something call it. What is in
the files is kept, whoever wrote it. The environment overrides the files and is never written to
them:

- ``MATTERMOST_HOST_ADMIN_PASSWORD``: password of the first administrator
- ``MATTERMOST_HOST_DATABASE_PASSWORD``: password of the database role
- ``MATTERMOST_HOST_DRIFT_WEBHOOK``: address of the incoming webhook for reports of drift
- ``MATTERMOST_HOST_DRIFT_MAIL_PASSWORD``: password of the mail server for reports of drift
- ``MATTERMOST_HOST_BACKUP_KEY``: the key that encrypts backups
- ``MATTERMOST_HOST_BACKUP_S3_ACCESS_KEY`` and ``_SECRET_KEY``: what opens the bucket for backups
- ``MATTERMOST_HOST_BACKUP_SSH_KEY``: what opens the other host for backups

Values are wrapped (``SecretStr``), so that printing, formatting or logging shows no more than
asterisks.
"""

import os
import secrets
import string
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from pydantic import SecretStr

from mattermost_host.certificates.authority import (
    Pair,
    canonical,
    is_current,
    names_of,
    needs_renewal,
    new_authority,
    new_leaf,
    new_placeholder,
)
from mattermost_host.engine.explanations import Change, Severity
from mattermost_host.knowledge.backup_places import Access
from mattermost_host.knowledge.surface import Wanted
from mattermost_host.site import secrets_file
from mattermost_host.site.secrets_file import Authority, Files, Stored
from mattermost_host.support.atomic_file import locked, read_public
from mattermost_host.support.errors import OperatorError

PREFIX = "MATTERMOST_HOST_"
ADMIN_VARIABLE = f"{PREFIX}ADMIN_PASSWORD"
DATABASE_VARIABLE = f"{PREFIX}DATABASE_PASSWORD"
WEBHOOK_VARIABLE = f"{PREFIX}DRIFT_WEBHOOK"
MAIL_VARIABLE = f"{PREFIX}DRIFT_MAIL_PASSWORD"
BACKUP_VARIABLE = f"{PREFIX}BACKUP_KEY"
S3_ACCESS_VARIABLE = f"{PREFIX}BACKUP_S3_ACCESS_KEY"
S3_SECRET_VARIABLE = f"{PREFIX}BACKUP_S3_SECRET_KEY"
SSH_VARIABLE = f"{PREFIX}BACKUP_SSH_KEY"
VARIABLES = (
    ADMIN_VARIABLE,
    DATABASE_VARIABLE,
    WEBHOOK_VARIABLE,
    MAIL_VARIABLE,
    BACKUP_VARIABLE,
    S3_ACCESS_VARIABLE,
    S3_SECRET_VARIABLE,
    SSH_VARIABLE,
)


@dataclass(frozen=True)
class Secrets:
    """The secrets of a site, complete."""

    admin_password: SecretStr
    database_password: SecretStr | None
    settings: Mapping[str, SecretStr]
    """Mattermost's own secret settings by their documented names, as in the file."""
    authority: str | None
    """The certificate of the internal authority."""
    certificates: Mapping[str, Pair]
    drift_webhook: SecretStr | None = None
    """Address of an incoming webhook; secret, because whoever knows it can post there."""
    drift_mail_password: SecretStr | None = None
    backup_key: SecretStr | None = None
    """The key that encrypts backups; None without backups."""
    backup_access: Access = field(default_factory=Access)
    """What opens the place where backups go."""
    planned: tuple[Change, ...] = field(default=(), compare=False)
    """What a run with changes would generate, renew or move on this machine."""
    _blocked: tuple[str, ...] = field(default=(), repr=False, compare=False)
    """Reasons why no run may change anything."""
    _inventory: Path = field(default=Path(), repr=False, compare=False)
    _found: Files = field(default=Files(Stored()), repr=False, compare=False)
    _complete: Files = field(default=Files(Stored()), repr=False, compare=False)

    @classmethod
    def load(cls, inventory: Path, wanted: Wanted, now: datetime) -> "Secrets":
        """Read the secrets of ``inventory`` and complete them; nothing is written.

        Raises OperatorError (SiteError for the content) if a file is readable by others, has
        another owner, or can't be parsed.
        """
        inventory = inventory.resolve()
        _refuse_bytes_of_the_environment()
        found = secrets_file.read(inventory)
        completion = _Completion(found, inventory, now)
        complete = completion.of(wanted)
        stored = complete.stored
        admin_password = _from_environment(ADMIN_VARIABLE) or stored.admin_password
        assert admin_password is not None
        return cls(
            admin_password=admin_password,
            database_password=_from_environment(DATABASE_VARIABLE) or stored.database_password,
            settings=stored.settings,
            authority=stored.authority.certificate if stored.authority else None,
            certificates={**stored.certificates, **completion.stopgaps},
            drift_webhook=_from_environment(WEBHOOK_VARIABLE) or stored.drift_webhook,
            drift_mail_password=_from_environment(MAIL_VARIABLE) or stored.drift_mail_password,
            backup_key=_from_environment(BACKUP_VARIABLE) or stored.backup_key,
            backup_access=Access(
                _from_environment(S3_ACCESS_VARIABLE) or stored.backup_s3_access_key,
                _from_environment(S3_SECRET_VARIABLE) or stored.backup_s3_secret_key,
                _from_environment(SSH_VARIABLE) or stored.backup_ssh_key,
            ),
            planned=tuple(completion.changes),
            _blocked=tuple(completion.blocked),
            _inventory=inventory,
            _found=found,
            _complete=complete,
        )

    def keep(self) -> None:
        """Write what was generated; call it before a run changes something.

        Raises OperatorError if it can't be written, if the authority's key is needed and is not on
        this machine, or if another run has written secrets since these were loaded.
        """
        if not self.planned:
            return
        path = secrets_file.secrets_path(self._inventory)
        if self._blocked:
            raise OperatorError("; ".join(self._blocked))
        if self._complete == self._found:
            return
        with locked(path):
            if secrets_file.read(self._inventory) != self._found:
                raise OperatorError(
                    f"{path} was changed by somebody else while this run was prepared; run it again"
                )
            secrets_file.write(self._inventory, self._complete)


def alert_secrets(inventory: Path) -> tuple[SecretStr | None, SecretStr | None]:
    """The webhook and the mail password, even if the inventory or the file has mistakes."""
    found: dict[str, object] = {}
    with suppress(OSError, OperatorError):
        text = read_public(secrets_file.secrets_path(inventory.resolve())) or ""
        for line in text.splitlines():
            if line.startswith(("drift_webhook", "drift_mail_password")):
                with suppress(tomllib.TOMLDecodeError):
                    found |= tomllib.loads(line)
    webhook, password = map(found.get, ("drift_webhook", "drift_mail_password"))
    return (
        _from_environment(WEBHOOK_VARIABLE) or (SecretStr(str(webhook)) if webhook else None),
        _from_environment(MAIL_VARIABLE) or (SecretStr(str(password)) if password else None),
    )


def new_password() -> SecretStr:
    """A password of 24 characters: over 140 bits, with each class that a policy may require."""
    alphabet = string.ascii_letters + string.digits
    while True:
        groups = ("".join(secrets.choice(alphabet) for _ in range(6)) for _ in range(4))
        password = "-".join(groups)
        if all(any(test(c) for c in password) for test in (str.islower, str.isupper, str.isdigit)):
            return SecretStr(password)


def _refuse_bytes_of_the_environment() -> None:
    for name in VARIABLES:
        try:
            os.environ.get(name, "").encode()
        except UnicodeEncodeError:
            raise OperatorError(
                f"the environment's {name} is not UTF-8 text; set it again, or write the secret "
                "into the secrets file"
            ) from None


def _from_environment(name: str) -> SecretStr | None:
    value = os.environ.get(name)
    return SecretStr(value) if value else None


class _Completion:
    """Completes the files as a run with changes would, and collects the differences."""

    def __init__(self, found: Files, inventory: Path, now: datetime) -> None:
        self._found, self._inventory, self._now = found, inventory, now
        self._file = secrets_file.secrets_path(inventory)
        self.changes: list[Change] = []
        self.stopgaps: dict[str, Pair] = {}
        """Certificates for a plan on a machine without the authority's key."""
        self.blocked: list[str] = []

    def of(self, wanted: Wanted) -> Files:
        """The files with everything ``wanted``; the same files if nothing is missing."""
        stored = self._found.stored
        passwords = {
            "admin_password": (True, ADMIN_VARIABLE),
            "database_password": (wanted.database_password, DATABASE_VARIABLE),
            "backup_key": (wanted.backup_key, BACKUP_VARIABLE),
        }
        for name, (needed, variable) in passwords.items():
            if needed and not (getattr(stored, name) or _from_environment(variable)):
                stored = stored.model_copy(update={name: new_password()})
                self._tell(self._file, f"has no {name}; a deploy generates it")
        key = self._found.authority_key
        if stored.authority is not None and stored.authority.key is not None:
            key, alone = self._found.key, Authority(certificate=stored.authority.certificate)
            stored = stored.model_copy(update={"authority": alone})
            place = secrets_file.authority_key_path(self._inventory).name
            self._tell(
                self._file, f"holds the authority's key; a deploy moves it to {place}", "info"
            )
        if wanted.certificates:
            return self._with_certificates(stored, key, wanted)
        return Files(stored, key, self._found.public)

    def _with_certificates(self, stored: Stored, key: SecretStr | None, wanted: Wanted) -> Files:
        issuer, authority = self._found.issuer, stored.authority
        if authority is None:
            issuer = new_authority(self._inventory.stem, self._now)
            key, authority = issuer.key, Authority(certificate=issuer.certificate)
            self._tell(self._file, "has no authority; a deploy generates it and its key")
        leaves = dict(stored.certificates)
        for purpose, names in wanted.certificates.items():
            leaf = leaves.get(purpose)
            if leaf is None or not is_current(leaf, authority.certificate, names, self._now):
                leaves |= self._issued(purpose, leaf, names, issuer)
        public = secrets_file.authority_path(self._inventory)
        if self._found.public != authority.certificate:
            self._tell(public, "is not the authority's certificate; a deploy writes it", "info")
        changed = stored.model_copy(update={"authority": authority, "certificates": leaves})
        return Files(changed, key, authority.certificate)

    def _issued(
        self, purpose: str, leaf: Pair | None, names: tuple[str, ...], issuer: Pair | None
    ) -> dict[str, Pair]:
        found, may_wait = self._what_is_wrong(purpose, leaf, names)
        if issuer is not None and issuer.leaf.not_valid_after_utc > self._now:
            self._tell(self._file, f"{found}; a deploy generates one")
            return {purpose: new_leaf(issuer, names, self._now)}
        key = secrets_file.authority_key_path(self._inventory)
        if issuer is not None:
            found += (
                f", and its authority expired on {issuer.leaf.not_valid_after_utc:%Y-%m-%d}; "
                "remove the table [authority] from this file, deploy, and give the new "
                f"{secrets_file.authority_path(self._inventory).name} to your users"
            )
        else:
            found += (
                f", and without {key.name} none can be issued here; deploy from the machine that "
                "has this file, or bring it back from your backup"
            )
        self._tell(self._file, found)
        if not may_wait:
            self.blocked.append(f"{self._file} {found}")
        self.stopgaps[purpose] = leaf or new_placeholder(names[0], self._now)
        return {}

    def _what_is_wrong(
        self, purpose: str, leaf: Pair | None, names: tuple[str, ...]
    ) -> tuple[str, bool]:
        """What is wrong with a certificate, in words, and whether it can still be used for now."""
        if leaf is None:
            return f'has no certificate "{purpose}"', False
        days = (leaf.leaf.not_valid_after_utc - self._now).days
        if names_of(leaf.leaf) != {canonical(name) for name in names}:
            return f'has a certificate "{purpose}" for other names', False
        if needs_renewal(leaf.leaf, self._now):
            left = f"with {days} days left: it is due" if days >= 0 else "that expired"
            return f'has a certificate "{purpose}" {left}', days > 0
        return f'has a certificate "{purpose}" of another authority', False

    def _tell(self, path: Path, found: str, severity: Severity = "warning") -> None:
        self.changes.append(Change(str(path), found, severity=severity))
