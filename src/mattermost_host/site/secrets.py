"""The secrets of a site: ``NAME.secrets.toml`` beside the inventory ``NAME.py``.

The file is 0600 and belongs to whoever runs the deploys. What is missing in it is generated once;
what stands there, by us or by the operator, stays. The environment wins over the file and is never
written to it:

- ``MATTERMOST_HOST_ADMIN_PASSWORD``: password of the first administrator
- ``MATTERMOST_HOST_DATABASE_PASSWORD``: password of the database role
- ``MATTERMOST_HOST_DRIFT_WEBHOOK``: address of the incoming webhook that is told of drift
- ``MATTERMOST_HOST_DRIFT_MAIL_PASSWORD``: password of the mail server that is told of drift

Values are wrapped (``SecretStr``), so that printing, formatting or logging shows no more than
asterisks.
"""

import os
import secrets
import string
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from mattermost_host.certificates.authority import Pair, is_current, new_authority, new_leaf
from mattermost_host.knowledge.surface import Wanted
from mattermost_host.support.atomic_file import locked, read_private, write_private, write_public
from mattermost_host.support.errors import Mistake, OperatorError, SiteError

ADMIN_VARIABLE = "MATTERMOST_HOST_ADMIN_PASSWORD"
DATABASE_VARIABLE = "MATTERMOST_HOST_DATABASE_PASSWORD"
WEBHOOK_VARIABLE = "MATTERMOST_HOST_DRIFT_WEBHOOK"
MAIL_VARIABLE = "MATTERMOST_HOST_DRIFT_MAIL_PASSWORD"
HEADER = """\
# Secrets of the site {site}: generated once, yours to keep. Whoever reads this file owns the site.
# To have one generated anew, remove it from here and deploy.

"""

Secret = Annotated[SecretStr, Field(min_length=1)]


class Stored(BaseModel):
    """The content of the secrets file."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    admin_password: Secret | None = None
    database_password: Secret | None = None
    drift_webhook: Secret | None = None
    drift_mail_password: Secret | None = None
    settings: dict[str, SecretStr] = Field(default_factory=dict)
    authority: Pair | None = None
    certificates: dict[str, Pair] = Field(default_factory=dict)


@dataclass(frozen=True)
class Secrets:
    """The secrets of a site, complete."""

    admin_password: SecretStr
    database_password: SecretStr | None
    settings: Mapping[str, SecretStr]
    """Mattermost's own secret settings by their documented names, as the operator wrote them."""
    authority: Pair | None
    certificates: Mapping[str, Pair]
    drift_webhook: SecretStr | None = None
    """Address of an incoming webhook: whoever knows it may post there."""
    drift_mail_password: SecretStr | None = None

    @classmethod
    def load(cls, inventory: Path, wanted: Wanted, now: datetime) -> "Secrets":
        """Read the secrets of ``inventory``; generate and write those that are missing.

        Two runs at once end with the same secrets. Raises OperatorError (SiteError for the
        content) with a sentence: readable by others, not ours, not writable, not understood.
        """
        inventory = inventory.resolve()
        path = secrets_path(inventory)
        stored = _read(path)
        if _completed(stored, wanted, inventory.stem, now) != stored:
            with locked(path):
                stored = _completed(_read(path), wanted, inventory.stem, now)
                write_private(path, _rendered(stored, inventory.stem))
        if stored.authority is not None:
            write_public(authority_path(inventory), stored.authority.certificate)
        admin_password = _from_environment(ADMIN_VARIABLE) or stored.admin_password
        assert admin_password is not None
        return cls(
            admin_password=admin_password,
            database_password=_from_environment(DATABASE_VARIABLE) or stored.database_password,
            settings=stored.settings,
            authority=stored.authority,
            certificates=stored.certificates,
            drift_webhook=_from_environment(WEBHOOK_VARIABLE) or stored.drift_webhook,
            drift_mail_password=_from_environment(MAIL_VARIABLE) or stored.drift_mail_password,
        )


def secrets_path(inventory: Path) -> Path:
    """``NAME.secrets.toml`` beside ``NAME.py``."""
    return inventory.with_suffix(".secrets.toml")


def authority_path(inventory: Path) -> Path:
    """``NAME.ca.pem`` beside ``NAME.py``: the authority's certificate, for people to trust."""
    return inventory.with_suffix(".ca.pem")


def new_password() -> SecretStr:
    """24 characters in four groups: above 140 bits, all the classes that a policy may ask for."""
    alphabet = string.ascii_letters + string.digits
    while True:
        groups = ("".join(secrets.choice(alphabet) for _ in range(6)) for _ in range(4))
        password = "-".join(groups)
        if all(any(test(c) for c in password) for test in (str.islower, str.isupper, str.isdigit)):
            return SecretStr(password)


def _from_environment(name: str) -> SecretStr | None:
    value = os.environ.get(name)
    return SecretStr(value) if value else None


def _completed(stored: Stored, wanted: Wanted, site: str, now: datetime) -> Stored:
    """``stored`` and what is missing in it; equal to ``stored`` where nothing is."""
    changes: dict[str, Any] = {}
    if not (stored.admin_password or _from_environment(ADMIN_VARIABLE)):
        changes["admin_password"] = new_password()
    has_database_password = stored.database_password or _from_environment(DATABASE_VARIABLE)
    if wanted.database_password and not has_database_password:
        changes["database_password"] = new_password()
    if wanted.certificates:
        authority = stored.authority or new_authority(site, now)
        leaves = {
            purpose: _kept(stored.certificates.get(purpose), authority, names, now)
            for purpose, names in wanted.certificates.items()
        }
        changes |= {"authority": authority, "certificates": {**stored.certificates, **leaves}}
    return stored.model_copy(update=changes)


def _kept(leaf: Pair | None, authority: Pair, names: tuple[str, ...], now: datetime) -> Pair:
    if leaf is not None and is_current(leaf, authority, names, now):
        return leaf
    return new_leaf(authority, names, now)


def _read(path: Path) -> Stored:
    text = read_private(path)
    if text is None:
        return Stored()
    try:
        stored = Stored.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise OperatorError(
            f"{path} is not TOML: {error}. Correct that place, or bring the file back from your "
            "backup; a new file would hold new passwords and a new authority."
        ) from None
    except ValidationError as error:
        raise SiteError(str(path), list(_mistakes(error))) from None
    mistakes = list(_broken_pairs(stored))
    if mistakes:
        raise SiteError(str(path), mistakes)
    return stored


def _mistakes(error: ValidationError) -> Iterator[Mistake]:
    for one in error.errors(include_input=False, include_url=False):
        key = ".".join(map(str, one["loc"]))
        if one["type"] == "extra_forbidden":
            known = ", ".join(Stored.model_fields)
            yield Mistake(key, "a key that is not ours", f"remove it, or write one of: {known}")
        elif one["type"] == "missing":
            yield Mistake(key, "nothing", "bring it back, or remove the table to have a new one")
        else:
            yield Mistake(key, "something else", f"it needs a text in quotes: {one['msg']}")


def _broken_pairs(stored: Stored) -> Iterator[Mistake]:
    named = {f"certificates.{name}": pair for name, pair in stored.certificates.items()}
    if stored.authority is not None:
        named["authority"] = stored.authority
    for key, pair in named.items():
        if not pair.is_whole():
            yield Mistake(
                key,
                "a certificate and a key that are not a pair of PEM blocks with an ECDSA key",
                "bring them back, or remove the table to have new ones",
            )


def _rendered(stored: Stored, site: str) -> str:
    """The file's text: the only place where the secrets are unwrapped to be written."""
    pairs = {name: _plain(pair) for name, pair in stored.certificates.items()}
    content = {
        "admin_password": _reveal(stored.admin_password),
        "database_password": _reveal(stored.database_password),
        "drift_webhook": _reveal(stored.drift_webhook),
        "drift_mail_password": _reveal(stored.drift_mail_password),
        "settings": {name: value.get_secret_value() for name, value in stored.settings.items()},
        "authority": stored.authority and _plain(stored.authority),
        "certificates": pairs,
    }
    present = {key: value for key, value in content.items() if value}
    return HEADER.format(site=site) + tomli_w.dumps(present, multiline_strings=True)


def _plain(pair: Pair) -> dict[str, str]:
    return {"certificate": pair.certificate, "key": pair.key.get_secret_value()}


def _reveal(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret else None
