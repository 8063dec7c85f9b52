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

import tomllib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from pydantic import SecretStr

from mattermost_host.certificates.authority import Pair
from mattermost_host.engine.explanations import Change
from mattermost_host.knowledge.backup_places import Access
from mattermost_host.knowledge.surface import Wanted
from mattermost_host.site import secrets_file
from mattermost_host.site.missing_secrets import Completion
from mattermost_host.site.secret_variables import (
    ADMIN_VARIABLE,
    BACKUP_VARIABLE,
    DATABASE_VARIABLE,
    MAIL_VARIABLE,
    S3_ACCESS_VARIABLE,
    S3_SECRET_VARIABLE,
    SSH_VARIABLE,
    WEBHOOK_VARIABLE,
    from_environment,
    refuse_bytes,
)
from mattermost_host.site.secrets_file import Files, Stored
from mattermost_host.support.atomic_file import locked, read_public
from mattermost_host.support.errors import OperatorError


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
    passwords: Mapping[str, SecretStr] = field(default_factory=dict)
    """Passwords of accounts that the site's hosts use among themselves."""
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
        refuse_bytes()
        found = secrets_file.read(inventory)
        completion = Completion(found, inventory, now)
        complete = completion.of(wanted)
        stored = complete.stored
        admin_password = from_environment(ADMIN_VARIABLE) or stored.admin_password
        assert admin_password is not None
        return cls(
            admin_password=admin_password,
            database_password=from_environment(DATABASE_VARIABLE) or stored.database_password,
            settings=stored.settings,
            authority=stored.authority.certificate if stored.authority else None,
            certificates={**stored.certificates, **completion.stopgaps},
            passwords=stored.passwords,
            drift_webhook=from_environment(WEBHOOK_VARIABLE) or stored.drift_webhook,
            drift_mail_password=from_environment(MAIL_VARIABLE) or stored.drift_mail_password,
            backup_key=from_environment(BACKUP_VARIABLE) or stored.backup_key,
            backup_access=Access(
                from_environment(S3_ACCESS_VARIABLE) or stored.backup_s3_access_key,
                from_environment(S3_SECRET_VARIABLE) or stored.backup_s3_secret_key,
                from_environment(SSH_VARIABLE) or stored.backup_ssh_key,
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
                    found |= secrets_file.table(line)
    webhook, password = map(found.get, ("drift_webhook", "drift_mail_password"))
    return (
        from_environment(WEBHOOK_VARIABLE) or (SecretStr(str(webhook)) if webhook else None),
        from_environment(MAIL_VARIABLE) or (SecretStr(str(password)) if password else None),
    )
