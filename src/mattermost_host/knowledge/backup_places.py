"""Where backups go: a folder on the host, another host, a bucket of S3; and what opens them."""

import re
from dataclasses import dataclass
from os.path import normpath

from pydantic import SecretStr

from mattermost_host.knowledge.names import Refused, host_name, in_url

FOLDER = "mattermost-host"
"""What is ours in each of them."""
PATH = r"(?:/[A-Za-z0-9_][A-Za-z0-9_.-]*)"
OF_SYSTEM = re.compile(
    r"/(bin|boot|dev|etc|lib\w*|proc|root|run|sbin|sys|tmp|usr|opt/mattermost"
    r"|var/(cache|log|run|tmp|lib/(mattermost|mattermost-host|pgsql|postgresql)))?(/.*)?"
)
NEEDED = (
    "the full path of a folder for backups, such as /srv/backup, of letters, digits, points, "
    "hyphens and underscores, and outside of the system's own folders; "
    "or sftp://USER@HOST/PATH; or s3://BUCKET/PATH"
)
S3, SFTP = "s3://", "sftp://"
SSH_PORT = 22
SFTP_SINCE = (2, 46)
"""The first pgBackRest that speaks SFTP, by its release notes."""


@dataclass(frozen=True)
class Folder:
    """A folder on the host; it may be another disk, or a network's."""

    path: str

    @property
    def room(self) -> str:
        """The folder of root's in it that has both repositories."""
        return f"{self.path}/{FOLDER}"

    @property
    def database(self) -> str:
        """pgBackRest's repository."""
        return f"{self.room}/database"

    @property
    def files(self) -> str:
        """restic's repository."""
        return f"{self.room}/files"

    def __str__(self) -> str:
        """As an inventory has it."""
        return self.path


@dataclass(frozen=True)
class Bucket:
    """A path in a bucket of a service that speaks S3."""

    name: str
    path: str
    """Empty, or with a slash at its begin."""

    @property
    def database(self) -> str:
        """pgBackRest's repository, without the bucket."""
        return f"{self.path}/{FOLDER}/database"

    def __str__(self) -> str:
        """As an inventory has it."""
        return f"{S3}{self.name}{self.path}"


@dataclass(frozen=True)
class OtherHost:
    """A folder of another host, which is reached by SFTP."""

    user: str
    host: str
    path: str
    port: int = SSH_PORT

    @property
    def database(self) -> str:
        """pgBackRest's repository there."""
        return f"{self.path}/{FOLDER}/database"

    @property
    def files(self) -> str:
        """restic's repository there."""
        return f"{self.path}/{FOLDER}/files"

    @property
    def login(self) -> str:
        """User, host and port, as an address begins with them."""
        port = "" if self.port == SSH_PORT else f":{self.port}"
        return f"{SFTP}{self.user}@{in_url(self.host)}{port}"

    @property
    def known_as(self) -> str:
        """Its name in a file of known hosts."""
        return self.host if self.port == SSH_PORT else f"[{self.host}]:{self.port}"

    def __str__(self) -> str:
        """As an inventory has it."""
        return f"{self.login}{self.path}"


BackupPlace = Folder | Bucket | OtherHost


@dataclass(frozen=True)
class Access:
    """The secrets that open a bucket, or another host."""

    s3_access_key: SecretStr | None = None
    s3_secret_key: SecretStr | None = None
    ssh_key: SecretStr | None = None
    """A private key in OpenSSH's format, without a passphrase."""


def place(text: str) -> BackupPlace:
    """Parse ``backup.to``. Raises Refused."""
    if remote := _remote(text):
        return remote
    if not re.fullmatch(f"{PATH}+", text) or normpath(text) != text or OF_SYSTEM.fullmatch(text):
        raise Refused("an address that can't be used", NEEDED)
    return Folder(text)


def lost(text: str) -> BackupPlace:
    """Parse what ``--from`` names; a folder may be anywhere on the host. Raises Refused."""
    if remote := _remote(text):
        return remote
    if not re.fullmatch(f"{PATH}+", text):
        raise Refused(
            "an address that can't be used",
            "the full path of a folder on the host, of letters, digits, points, hyphens and "
            "underscores, sftp://USER@HOST/PATH, or s3://BUCKET/PATH",
        )
    return Folder(text)


def opens(here: BackupPlace, there: BackupPlace) -> bool:
    """Whether what opens ``here`` opens ``there``, too."""
    if isinstance(there, OtherHost):
        return isinstance(here, OtherHost) and here.login == there.login
    return isinstance(there, Folder) or isinstance(here, Bucket)


def _remote(text: str) -> Bucket | OtherHost | None:
    if text.startswith(S3):
        return _bucket(text)
    return _other_host(text) if text.startswith(SFTP) else None


def _other_host(text: str) -> OtherHost:
    name = r"([A-Za-z0-9_][A-Za-z0-9_.-]*)@(\[[0-9A-Fa-f:.]+\]|[^][:/@\s]+)(?::([0-9]{1,5}))?"
    found = re.fullmatch(rf"sftp://{name}({PATH}+)", text)
    port = int(found[3] or SSH_PORT) if found else 0
    try:
        if found and 1 <= port <= 65535:
            return OtherHost(found[1], host_name(found[2].strip("[]")), found[4], port)
    except Refused as error:
        raise Refused("an address that can't be used", error.needed) from None
    raise Refused(
        "an address that can't be used",
        "sftp://USER@HOST/PATH or sftp://USER@HOST:PORT/PATH, without a password: the full path of "
        "a folder there, of letters, digits, points, hyphens and underscores; the key that opens "
        "it is in the secrets file",
    )


def _bucket(text: str) -> Bucket:
    found = re.fullmatch(rf"s3://([a-z0-9][a-z0-9.-]{{1,61}}[a-z0-9])({PATH}*)", text)
    if not found:
        raise Refused(
            "an address that can't be used",
            "s3://BUCKET/PATH: the bucket's name, of 3 to 63 small letters, digits, points and "
            "hyphens, and a path of letters, digits, points, hyphens and underscores; the "
            "service's address is backup.endpoint, the keys are in the secrets file",
        )
    return Bucket(found[1], found[2])
