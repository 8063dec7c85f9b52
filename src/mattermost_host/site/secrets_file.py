"""The files with a site's secrets, checked before they are read and replaced atomically.

``NAME.secrets.toml`` beside the inventory ``NAME.py``, and ``NAME.authority-key.pem``: the key of
the internal authority, which is needed only to issue certificates, so it stays on the machine that
issues them. ``NAME.ca.pem`` is the authority's certificate, for people to trust.
"""

import tomllib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from mattermost_host.certificates.authority import Pair, is_certificate
from mattermost_host.support.atomic_file import (
    read_private,
    read_public,
    write_private,
    write_public,
)
from mattermost_host.support.errors import Mistake, OperatorError, SiteError

HEADER = """\
# Secrets of the site {site}: generated once, yours to keep. Whoever reads this file owns the site.
# To have one generated anew, remove it from here and deploy.

"""

Secret = Annotated[SecretStr, Field(min_length=1)]


class Authority(BaseModel):
    """The internal authority: its certificate."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    certificate: str
    key: SecretStr | None = None
    """The authority's key, where older versions kept it; a run with changes moves it to its own
    file.
    """


class Stored(BaseModel):
    """The content of the secrets file."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    admin_password: Secret | None = None
    database_password: Secret | None = None
    drift_webhook: Secret | None = None
    drift_mail_password: Secret | None = None
    backup_key: Secret | None = None
    """No backup can be read without it: keep a copy away from the backups."""
    backup_s3_access_key: Secret | None = None
    backup_s3_secret_key: Secret | None = None
    backup_ssh_key: Secret | None = None
    passwords: dict[str, Secret] = Field(default_factory=dict)
    """Passwords of accounts that the site's hosts use among themselves."""
    settings: dict[str, SecretStr] = Field(default_factory=dict)
    authority: Authority | None = None
    certificates: dict[str, Pair] = Field(default_factory=dict)


@dataclass(frozen=True)
class Files:
    """The content of a site's files."""

    stored: Stored
    authority_key: SecretStr | None = None
    public: str | None = None
    """NAME.ca.pem."""

    @property
    def key(self) -> SecretStr | None:
        """The authority's key, from either file."""
        inside = self.stored.authority.key if self.stored.authority else None
        return self.authority_key or inside

    @property
    def issuer(self) -> Pair | None:
        """The authority with its key, if this machine has both."""
        if self.stored.authority is None or self.key is None:
            return None
        return Pair(certificate=self.stored.authority.certificate, key=self.key)


def secrets_path(inventory: Path) -> Path:
    """``NAME.secrets.toml`` beside ``NAME.py``."""
    return inventory.with_suffix(".secrets.toml")


def authority_key_path(inventory: Path) -> Path:
    """``NAME.authority-key.pem`` beside ``NAME.py``."""
    return inventory.with_suffix(".authority-key.pem")


def authority_path(inventory: Path) -> Path:
    """``NAME.ca.pem`` beside ``NAME.py``: the authority's certificate, for people to trust."""
    return inventory.with_suffix(".ca.pem")


def read(inventory: Path) -> Files:
    """Read the files of ``inventory``; empty if they don't exist.

    Raises OperatorError (SiteError for the content).
    """
    path = secrets_path(inventory)
    stored = parse(path, read_private(path) or "")
    key = read_private(authority_key_path(inventory))
    public = None
    with suppress(OperatorError):  # a deploy writes it again
        public = read_public(authority_path(inventory))
    found = Files(stored, SecretStr(key) if key else None, public)
    mistakes = list(_broken(found, inventory))
    if mistakes:
        raise SiteError(str(path), mistakes)
    return found


def parse(path: Path, text: str) -> Stored:
    """Parse a secrets file. Raises OperatorError if it is not valid."""
    try:
        return Stored.model_validate(table(text))
    except tomllib.TOMLDecodeError as error:
        raise OperatorError(
            f"{path} is not TOML: {error}. Correct that place, or bring the file back from your "
            "backup; a new file would hold new passwords and a new authority."
        ) from None
    except ValidationError as error:
        raise SiteError(str(path), list(_mistakes(error))) from None


def table(text: str) -> dict[str, Any]:
    """The content of a TOML file. Raises TOMLDecodeError, also where Python's reader gives up."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        raise
    except RecursionError:
        raise tomllib.TOMLDecodeError("lists or tables are nested too deep") from None
    except ValueError:
        raise tomllib.TOMLDecodeError("a number has too many digits") from None


def write(inventory: Path, files: Files) -> None:
    """Write ``files``, the key first. The caller holds the lock of the secrets file."""
    if files.authority_key is not None:
        write_private(authority_key_path(inventory), files.authority_key.get_secret_value())
    write_private(secrets_path(inventory), rendered(files.stored, inventory.stem))
    if files.public is not None:
        write_public(authority_path(inventory), files.public)


def rendered(stored: Stored, site: str) -> str:
    """The secrets file's text, with unwrapped secrets, without the authority's key."""
    passwords = (
        "admin_password",
        "database_password",
        "drift_webhook",
        "drift_mail_password",
        "backup_key",
        "backup_s3_access_key",
        "backup_s3_secret_key",
        "backup_ssh_key",
    )
    content = {
        **{name: _reveal(getattr(stored, name)) for name in passwords},
        "passwords": {name: value.get_secret_value() for name, value in stored.passwords.items()},
        "settings": {name: value.get_secret_value() for name, value in stored.settings.items()},
        "authority": stored.authority and {"certificate": stored.authority.certificate},
        "certificates": {name: _plain(pair) for name, pair in stored.certificates.items()},
    }
    present = {key: value for key, value in content.items() if value}
    return HEADER.format(site=site) + tomli_w.dumps(present, multiline_strings=True)


def _plain(pair: Pair) -> dict[str, str]:
    return {"certificate": pair.certificate, "key": pair.key.get_secret_value()}


def _reveal(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret else None


def _mistakes(error: ValidationError) -> Iterator[Mistake]:
    for one in error.errors(include_input=False, include_url=False):
        key = ".".join(map(str, one["loc"]))
        if one["type"] == "extra_forbidden":
            known = ", ".join(Stored.model_fields)
            yield Mistake(key, "an unknown key", f"remove it, or write one of: {known}")
        elif one["type"] == "missing":
            yield Mistake(key, "nothing", "bring it back, or remove the table to have a new one")
        else:
            yield Mistake(key, "something else", f"it needs a string in quotes: {one['msg']}")


def _broken(files: Files, inventory: Path) -> Iterator[Mistake]:
    for name, pair in files.stored.certificates.items():
        if not pair.is_whole():
            yield Mistake(
                f"certificates.{name}",
                "a certificate and a key that are not a pair of PEM blocks with an ECDSA key",
                "bring them back, or remove the table to have new ones",
            )
    authority = files.stored.authority
    if authority is None:
        return
    if not is_certificate(authority.certificate):
        yield Mistake(
            "authority.certificate",
            "something that is not a certificate in PEM",
            "bring it back, or remove the table to have a new authority",
        )
    elif files.issuer is not None and not files.issuer.is_whole():
        yield Mistake(
            "authority",
            f"a certificate to which the key in {authority_key_path(inventory).name} does not "
            "belong",
            "bring both back, or remove the table and that file to have a new authority",
        )
