"""Where backups go, as an inventory says it: the keys of each kind of place, and their mistakes."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from pydantic import BaseModel, Field, SecretStr

from mattermost_host.certificates.pem import check_authorities, pem_blocks
from mattermost_host.knowledge.backup_places import Access, Bucket, OtherHost, place
from mattermost_host.knowledge.names import Refused
from mattermost_host.knowledge.texts import STRICT, HttpsUrl, Line
from mattermost_host.ops.backup_target import Service, Target
from mattermost_host.support.addresses import without_secrets
from mattermost_host.support.errors import Mistake

BELONGS_TO = {
    "endpoint": Bucket,
    "region": Bucket,
    "ca_certificate": Bucket,
    "host_keys": OtherHost,
}
WRITTEN = {Bucket: "s3://BUCKET", OtherHost: "sftp://USER@HOST"}


class PlaceSettings(BaseModel):
    """Where backups go."""

    model_config = STRICT

    to: Line | None = Field(
        default=None,
        description=(
            "Where backups go: a folder on the host, best on a disk of its own or on a "
            "network's, e.g. `/srv/backup`; another host, `sftp://USER@HOST/PATH`, with "
            "`backup_ssh_key` in the secrets file; or `s3://BUCKET/PATH`, with "
            "`backup_s3_access_key` and `backup_s3_secret_key` there. A database on several hosts "
            "takes one of the last two. Without it nothing is backed up. The key is in the "
            "secrets file (`backup_key`): keep a copy of that where the backups are not."
        ),
    )
    endpoint: HttpsUrl | None = Field(
        default=None,
        description=(
            "With `s3://`: address of the service, e.g. `https://s3.eu-central-1.amazonaws.com` "
            "or `https://s3.example.com:9000`."
        ),
    )
    region: Line = Field(
        default="us-east-1",
        description="With `s3://`: the bucket's region; services of your own mostly ignore it.",
    )
    ca_certificate: Line | None = Field(
        default=None,
        description=(
            "With `s3://`: file on the control machine with the authority of the service, if it "
            "is not one that the host's system trusts."
        ),
    )
    host_keys: list[Line] = Field(
        default=[],
        description=(
            "With `sftp://`: the other host's public keys, each as `ssh-ed25519 AAAA…`, all that "
            "`ssh-keyscan` prints of it. Compare them with the host's own files "
            "`/etc/ssh/ssh_host_*_key.pub`: by them it is told from somebody in between."
        ),
    )


def target(settings: PlaceSettings) -> Target:
    """The place as the engines have to know it; the settings have no mistakes."""
    assert settings.to  # the callers ask
    service = None
    if settings.endpoint:
        file = settings.ca_certificate
        authorities = pem_blocks(Path(file).read_bytes()) if file else ""
        service = Service(settings.endpoint, settings.region, authorities)
    return Target(place(settings.to), service, tuple(settings.host_keys))


def mistakes(settings: PlaceSettings) -> Iterator[Mistake]:
    """One place, with all that it needs, and nothing of another kind."""
    assert settings.to is not None
    try:
        found = place(settings.to)
    except Refused as error:
        yield Mistake("backup.to", f'"{without_secrets(settings.to)}"', error.needed)
        return
    for key, kind in BELONGS_TO.items():
        if key in settings.model_fields_set and not isinstance(found, kind):
            yield Mistake(
                f"backup.{key}", "a value", f"it belongs to {WRITTEN[kind]}; leave it out"
            )
    if isinstance(found, Bucket):
        yield from _mistakes_of_bucket(settings)
    if isinstance(found, OtherHost):
        yield from _mistakes_of_other_host(settings, found)


def mistakes_of_members(to: str) -> Iterator[Mistake]:
    """A place that not all hosts of a database on several of them reach."""
    if to.startswith("/"):
        yield Mistake(
            "backup.to",
            "a folder, together with etcd",
            "each of the database's hosts has to reach the same backups: write "
            "sftp://USER@HOST/PATH or s3://BUCKET/PATH",
        )


def _mistakes_of_bucket(settings: PlaceSettings) -> Iterator[Mistake]:
    if not settings.endpoint or urlsplit(settings.endpoint).path:
        found = "nothing" if not settings.endpoint else "an address with a path"
        needed = "the service's address, like https://s3.example.com"
        yield Mistake("backup.endpoint", found, needed)
    if not re.fullmatch(r"[a-z0-9-]+", settings.region):
        needed = "small letters, digits and hyphens, like eu-central-1"
        yield Mistake("backup.region", "an invalid region", needed)
    yield from check_authorities("backup.ca_certificate", settings.ca_certificate)


def _mistakes_of_other_host(settings: PlaceSettings, other: OtherHost) -> Iterator[Mistake]:
    scanned = f"ssh-keyscan -p {other.port} {other.host}"
    if not settings.host_keys:
        needed = (
            f"the public keys of {other.host}, all that `{scanned}` prints, each from its type on; "
            "compare them with its own files /etc/ssh/ssh_host_*_key.pub"
        )
        yield Mistake("backup.host_keys", "nothing", needed)
    for at, key in enumerate(settings.host_keys):
        try:
            serialization.load_ssh_public_key(" ".join(key.split()[:2]).encode())
        except (ValueError, UnsupportedAlgorithm):
            needed = f"a key from its type on, as `{scanned}` prints it: ssh-ed25519 AAAA…"
            yield Mistake(f"backup.host_keys[{at}]", "something else than a public key", needed)


def access_mistakes(settings: PlaceSettings, access: Access) -> Iterator[Mistake]:
    """The secrets that open the place, which nobody but its owner can make."""
    found = place(settings.to) if settings.to is not None else None
    names = {Bucket: ("s3_access_key", "s3_secret_key"), OtherHost: ("ssh_key",)}
    for name in names.get(type(found), ()):
        value: SecretStr | None = getattr(access, name)
        if value is None:
            yield Mistake(
                f"backup_{name}",
                "nothing",
                f"{found} does not open without it: write it into the secrets file beside the "
                f"inventory, or into the environment as MATTERMOST_HOST_BACKUP_{name.upper()}",
            )
        elif name == "ssh_key":
            yield from _mistakes_of_key(value.get_secret_value())
        elif not re.fullmatch("[!-~]+", value.get_secret_value()):
            needed = "it is one word of ASCII; copy it again"
            yield Mistake(f"backup_{name}", "a text with spaces or other letters", needed)


def _mistakes_of_key(text: str) -> Iterator[Mistake]:
    needed = (
        "the whole file that `ssh-keygen -t ed25519 -N '' -f FILE` writes, between three quotes"
    )
    try:
        serialization.load_ssh_private_key(text.strip().encode(), password=None)
    except TypeError:
        yield Mistake("backup_ssh_key", "a private key with a passphrase", needed)
    except (ValueError, UnsupportedAlgorithm):
        yield Mistake("backup_ssh_key", "something else than a private key of OpenSSH", needed)
