"""Where backups go: addresses and what opens them, refused where they can't be right."""

from typing import Any

import pytest
from pydantic import SecretStr

from mattermost_host.components import backup
from mattermost_host.components.backup import Settings
from mattermost_host.knowledge.backup_places import Access
from mattermost_host.preflight import backup_place
from tests.unit.components.backup_examples import ACCESS, SSH, TO, TO_HOST, TO_S3
from tests.unit.examples import (
    HOST_KEY,
    place,
    ssh_key,
)

REFUSED = [
    "/",
    "/etc",
    "/etc/backup",
    "/usr/local",
    "/tmp/b",
    "/var/lib/postgresql/b",
    "/var/log",
    "srv",
    "/srv/../etc",
    "/srv/",
    "/srv/a$b",
    "/srv/$(id)",
    "/srv//b",
    "s3://b",
    "s3://Bucket/chat",
    "s3://key:secret@bucket/chat",
    "s3://bucket/a b",
    "sftp://backup.example.com/b",
    "sftp://chat:secret@backup.example.com/b",
    "sftp://chat@backup.example.com",
    "sftp://chat@backup.example.com:0/b",
    "sftp://chat@-oProxyCommand=x/b",
    "sftp://-l@backup.example.com/b",
    "sftp://chat@backup.example.com/../b",
    "sftp://chat@backup.example.com/a b",
    "host:/b",
    "/opt/mattermost/backup",
]


@pytest.mark.parametrize("to", REFUSED)
def test_a_folder_of_the_system_or_an_odd_name_is_refused(to: str) -> None:
    found = list(backup.mistakes(Settings(to=to), place()))
    assert [one.path for one in found] == ["backup.to"]
    scheme = to.partition("://")[0]
    wanted = {"s3": "s3://BUCKET/PATH", "sftp": "sftp://USER@HOST:PORT/PATH"}
    assert wanted.get(scheme, "such as /srv/backup") in str(found[0]) or "host" in found[0].needed
    assert "secret" not in str(found[0]).partition(";")[0]


@pytest.mark.parametrize("to", ["/srv/backup", "/backup", "/mnt/nas_1/chat.example.com"])
def test_other_folders_will_do(to: str) -> None:
    assert list(backup.mistakes(Settings(to=to), place())) == []


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"to": "s3://backups"}, "backup.endpoint: found nothing; the service's address"),
        (
            {"to": "s3://backups", "endpoint": "https://s3.example.com/backups"},
            "backup.endpoint: found an address with a path; the service's address",
        ),
        (
            {"to": "s3://backups", "endpoint": "https://s3.example.com", "region": "eu 1"},
            "backup.region: found an invalid region; small letters",
        ),
        (
            {"to": "s3://backups", "endpoint": "https://s3.example.com", "ca_certificate": "/no"},
            "backup.ca_certificate: found '/no'; there is no such file",
        ),
        (
            {"to": "/srv/b", "endpoint": "https://s3.example.com"},
            "backup.endpoint: found a value; it belongs to s3://BUCKET; leave it out",
        ),
        (
            {"to": "sftp://chat@backup.example.com/b"},
            "backup.host_keys: found nothing; the public keys of backup.example.com, all that "
            "`ssh-keyscan -p 22 backup.example.com` prints",
        ),
        (
            {"to": "sftp://chat@backup.example.com/b", "host_keys": [HOST_KEY, "AAAAC3Nza"]},
            "backup.host_keys[1]: found something else than a public key; a key from its type on",
        ),
        (
            {"to": "s3://backups", "endpoint": "https://s3.example.com", "host_keys": [HOST_KEY]},
            "backup.host_keys: found a value; it belongs to sftp://USER@HOST; leave it out",
        ),
        ({"to": "/srv/b", "region": "eu-1"}, "backup.region: found a value; it belongs to"),
        ({"region": "eu-1"}, "backup.region: found a value without backup.to; say as backup.to"),
    ],
)
def test_a_place_has_all_that_it_needs_and_nothing_else(
    settings: dict[str, Any], said: str
) -> None:
    (found,) = backup.mistakes(Settings(**settings), place())
    assert str(found).startswith(said)


def test_a_bucket_without_its_keys_is_refused() -> None:
    missing = [str(one) for one in backup_place.access_mistakes(TO_S3, Access())]
    assert [one.partition(":")[0] for one in missing] == [
        "backup_s3_access_key",
        "backup_s3_secret_key",
    ]
    assert "MATTERMOST_HOST_BACKUP_S3_SECRET_KEY" in missing[1]
    assert list(backup_place.access_mistakes(TO_S3, ACCESS)) == []
    assert list(backup_place.access_mistakes(TO, Access())) == []
    assert list(backup_place.access_mistakes(Settings(), Access())) == []
    assert list(backup_place.access_mistakes(TO_HOST, ACCESS)) == []
    odd = Access(SecretStr("two words"), SecretStr("key\n"))
    assert [one.found for one in backup_place.access_mistakes(TO_S3, odd)] == [
        "a text with spaces or other letters"
    ] * 2


@pytest.mark.parametrize(
    ("key", "said"),
    [
        (None, "nothing"),
        ("secret", "something else than a private key of OpenSSH"),
        (SSH.replace("b3Bl", "AAAA"), "something else than a private key of OpenSSH"),
        (ssh_key("passphrase"), "a private key with a passphrase"),
    ],
)
def test_another_host_without_a_key_that_opens_it_is_refused(key: str | None, said: str) -> None:
    access = Access(ssh_key=SecretStr(key) if key else None)
    (found,) = backup_place.access_mistakes(TO_HOST, access)
    assert (found.path, found.found) == ("backup_ssh_key", said)
