"""The environment variables with secrets of a site; site/secrets.py says what each is for."""

import os

from pydantic import SecretStr

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


def refuse_bytes() -> None:
    """Raise OperatorError if a variable is not text."""
    for name in VARIABLES:
        try:
            os.environ.get(name, "").encode()
        except UnicodeEncodeError:
            raise OperatorError(
                f"the environment's {name} is not UTF-8 text; set it again, or write the secret "
                "into the secrets file"
            ) from None


def from_environment(name: str) -> SecretStr | None:
    """A variable's value; None if it is unset or empty."""
    value = os.environ.get(name)
    return SecretStr(value) if value else None
