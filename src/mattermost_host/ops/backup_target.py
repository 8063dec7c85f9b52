"""Where backups go, as pgBackRest and restic have to know it: folders, settings, secrets."""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from pydantic import SecretStr

from mattermost_host.knowledge.backup_places import (
    FOLDER,
    Access,
    BackupPlace,
    Bucket,
    Folder,
    OtherHost,
)
from mattermost_host.knowledge.names import HTTPS_PORT
from mattermost_host.ops.entries import Absent, Directory, Entry, File
from mattermost_host.support.templates import render

USER = "postgres"
PGBACKREST = "/etc/pgbackrest"
CONFIGURATION = f"{PGBACKREST}/pgbackrest.conf"
KEYS = "/etc/mattermost-host"
KEY_FILE = f"{KEYS}/backup.key"
RESTIC = f"{KEYS}/restic.env"
"""Variables of restic, for shells of root."""
AUTHORITIES = f"{KEYS}/backup-authorities.pem"
SSH_KEY = f"{KEYS}/backup-ssh.key"
PGBACKREST_SSH_KEY = f"{PGBACKREST}/ssh.key"
"""The same for PostgreSQL's account: ssh refuses a key that others than its reader may read."""
KNOWN_HOSTS = f"{KEYS}/backup-known-hosts"
CACHE = "mattermost-backup"
OF_PLACE = (AUTHORITIES, SSH_KEY, PGBACKREST_SSH_KEY, KNOWN_HOSTS)
"""Files that only some places need."""
OF_RESTIC = (AUTHORITIES, SSH_KEY, KNOWN_HOSTS)
"""Those of them that restic reads."""
SETTINGS = (CONFIGURATION, KEY_FILE, RESTIC, *OF_PLACE)
AMAZON = ".amazonaws.com"


@dataclass(frozen=True)
class Service:
    """A service that speaks S3."""

    endpoint: str
    """``https://``, its name, and its port if that is not 443."""
    region: str
    authorities: str = ""
    """CA certificates of its own in PEM; empty: those of the system."""


@dataclass(frozen=True)
class Target:
    """Where backups go."""

    place: BackupPlace
    service: Service | None = None
    """Of a bucket."""
    host_keys: tuple[str, ...] = ()
    """Of another host: its public keys, each with its type."""

    @property
    def networked(self) -> bool:
        """Whether the programs need the network."""
        return not isinstance(self.place, Folder)

    @property
    def folders(self) -> tuple[str, str]:
        """The folders on the host for database and files; empty where there are none."""
        place = self.place
        return (place.database, place.files) if isinstance(place, Folder) else ("", "")

    @property
    def base(self) -> str:
        """What restic's names of all repositories there begin with, before the path."""
        match self.place:
            case Folder():
                return ""
            case OtherHost():
                # restic knows the login by its own option.
                return "sftp:other:"
            case Bucket():
                assert self.service
                return f"s3:{self.service.endpoint}"

    @property
    def restic(self) -> str:
        """restic's name of its repository."""
        return f"{self._ours}/files"

    @property
    def dumps(self) -> str:
        """The same of the dumps where other hosts than the files' make them: a repository is
        locked while its old snapshots are forgotten."""
        return f"{self._ours}/dumps"

    @property
    def _ours(self) -> str:
        bucket = f"/{self.place.name}" if isinstance(self.place, Bucket) else ""
        return f"{self.base}{bucket}{self.place.path}/{FOLDER}"


def repositories(target: Target) -> Iterator[Entry]:
    """The folders that backups are written to."""
    if isinstance(target.place, Folder):
        yield Directory(target.place.room)
        yield Directory(target.place.database, "700", USER, USER)
        yield Directory(target.place.files, "700")


def settings(target: Target, access: Access, key: SecretStr, **pgbackrest: Any) -> Iterator[Entry]:
    """What both engines have to know of it; ``pgbackrest`` are further names for its template."""
    told = _told(target, access)
    configuration = render(
        "backup/pgbackrest.conf.j2",
        repository=target.place.database,
        key=key.get_secret_value(),
        **told,
        **pgbackrest,
    )
    yield from of_restic(target, access, key, OF_PLACE)
    yield File(CONFIGURATION, configuration, "640", group=USER, secret=True)


def of_restic(
    target: Target, access: Access, key: SecretStr, of_place: Sequence[str] = OF_RESTIC
) -> Iterator[Entry]:
    """What restic has to know, and those files ``of_place`` that the place needs."""
    needed = {one.path: one for one in _of_place(target, access)}
    yield from (needed.get(path, Absent(path)) for path in of_place)
    yield File(KEY_FILE, key_text(key), "600", secret=True)
    yield File(RESTIC, environment(target, access), "600", secret=True)


def environment(target: Target, access: Access) -> str:
    """What restic has to know, which tells the place and what opens it."""
    told = _told(target, access)
    quoted = {name: shlex.quote(str(value)) for name, value in told.items() if value}
    return render(
        "backup/restic.env.j2",
        repository=target.restic,
        key_file=KEY_FILE,
        cache=f"/var/cache/{CACHE}",
        **{**told, **quoted},
    )


def key_text(key: SecretStr) -> str:
    """The content of the key file."""
    return f"{key.get_secret_value()}\n"


def _of_place(target: Target, access: Access) -> Iterator[File]:
    if target.service and target.service.authorities:
        yield File(AUTHORITIES, target.service.authorities)
    if isinstance(target.place, OtherHost):
        assert access.ssh_key  # a secret of the component
        key = access.ssh_key.get_secret_value().strip() + "\n"
        yield File(SSH_KEY, key, "600", secret=True)
        yield File(PGBACKREST_SSH_KEY, key, "640", group=USER, secret=True)
        known = "".join(f"{target.place.known_as} {one}\n" for one in target.host_keys)
        yield File(KNOWN_HOSTS, known, guards=True)


def _told(target: Target, access: Access) -> dict[str, object]:
    return {"bucket": "", "other": "", **_of_kind(target, access)}


def _of_kind(target: Target, access: Access) -> dict[str, object]:
    if isinstance(target.place, OtherHost):
        return {
            "other": target.place.host,
            "other_user": target.place.user,
            "other_port": target.place.port,
            "ssh_key": SSH_KEY,
            "pgbackrest_ssh_key": PGBACKREST_SSH_KEY,
            "known_hosts": KNOWN_HOSTS,
        }
    if not isinstance(target.place, Bucket):
        return {}
    service = target.service
    assert service and access.s3_access_key and access.s3_secret_key  # secrets of the component
    found = urlsplit(service.endpoint)
    name = found.hostname or ""
    return {
        "bucket": target.place.name,
        "endpoint": name,
        "port_of_service": found.port or HTTPS_PORT,
        "region": service.region,
        # Others than Amazon mostly have no name for each bucket.
        "uri_style": "host" if name.endswith(AMAZON) else "path",
        "access_key": access.s3_access_key.get_secret_value(),
        "secret_key": access.s3_secret_key.get_secret_value(),
        "authorities": AUTHORITIES if service.authorities else "",
    }
