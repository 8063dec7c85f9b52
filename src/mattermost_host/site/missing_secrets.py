"""What a site's secrets lack, generated in memory, and what a deploy says of it."""

import secrets
import string
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
from mattermost_host.knowledge.surface import Wanted
from mattermost_host.site import secrets_file
from mattermost_host.site.secret_variables import (
    ADMIN_VARIABLE,
    BACKUP_VARIABLE,
    DATABASE_VARIABLE,
    from_environment,
)
from mattermost_host.site.secrets_file import Authority, Files, Stored


def new_password() -> SecretStr:
    """A password of 24 characters: over 140 bits, with each class that a policy may require."""
    alphabet = string.ascii_letters + string.digits
    while True:
        groups = ("".join(secrets.choice(alphabet) for _ in range(6)) for _ in range(4))
        password = "-".join(groups)
        if all(any(test(c) for c in password) for test in (str.islower, str.isupper, str.isdigit)):
            return SecretStr(password)


class Completion:
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
            if needed and not (getattr(stored, name) or from_environment(variable)):
                stored = stored.model_copy(update={name: new_password()})
                self._tell(self._file, f"has no {name}; a deploy generates it")
        for name in sorted(wanted.passwords - set(stored.passwords)):
            added = {**stored.passwords, name: new_password()}
            stored = stored.model_copy(update={"passwords": added})
            self._tell(self._file, f'has no password "{name}"; a deploy generates it')
        key = self._found.authority_key
        if stored.authority is not None and stored.authority.key is not None:
            key, alone = self._found.key, Authority(certificate=stored.authority.certificate)
            stored = stored.model_copy(update={"authority": alone})
            place = secrets_file.authority_key_path(self._inventory).name
            self._tell(
                self._file, f"holds the authority's key; a deploy moves it to {place}", "info"
            )
        if wanted.certificates or wanted.between_hosts:
            return self._with_certificates(stored, key, wanted)
        return Files(stored, key, self._found.public)

    def _with_certificates(self, stored: Stored, key: SecretStr | None, wanted: Wanted) -> Files:
        issuer, authority = self._found.issuer, stored.authority
        if authority is None:
            issuer = new_authority(self._inventory.stem, self._now)
            key, authority = issuer.key, Authority(certificate=issuer.certificate)
            self._tell(self._file, "has no authority; a deploy generates it and its key")
        leaves = dict(stored.certificates)
        for purpose, names in {**wanted.certificates, **wanted.between_hosts}.items():
            leaf = leaves.get(purpose)
            if leaf is None or not is_current(leaf, authority.certificate, names, self._now):
                both_ends = purpose in wanted.between_hosts
                leaves |= self._issued(purpose, leaf, names, issuer, both_ends=both_ends)
        public = secrets_file.authority_path(self._inventory)
        if self._found.public != authority.certificate:
            self._tell(public, "is not the authority's certificate; a deploy writes it", "info")
        changed = stored.model_copy(update={"authority": authority, "certificates": leaves})
        return Files(changed, key, authority.certificate)

    def _issued(
        self,
        purpose: str,
        leaf: Pair | None,
        names: tuple[str, ...],
        issuer: Pair | None,
        *,
        both_ends: bool,
    ) -> dict[str, Pair]:
        found, may_wait = self._what_is_wrong(purpose, leaf, names)
        if issuer is not None and issuer.leaf.not_valid_after_utc > self._now:
            self._tell(self._file, f"{found}; a deploy generates one")
            if both_ends:
                return {purpose: new_leaf(issuer, names, self._now, "both", common_name=False)}
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
