"""The component backup with a bucket, and with another host."""

from pathlib import Path

from mattermost_host.ops import backup_drill, backup_files, backup_target
from mattermost_host.ops.entries import File
from tests.unit.components.backup_examples import ACCESS, SSH, TO, TO_HOST, TO_S3, planned
from tests.unit.examples import (
    HOST_KEY,
    pair,
)


def test_the_keys_of_a_bucket_are_in_two_closed_files_and_in_no_command() -> None:
    result = planned(TO_S3)
    assert ACCESS.s3_secret_key
    secret = ACCESS.s3_secret_key.get_secret_value()
    holding = [path for path, content in result.written.items() if secret.encode() in content]
    assert sorted(holding) == sorted([backup_target.CONFIGURATION, backup_target.RESTIC])
    assert secret not in result.shell
    secrets = {one.path for one in result.entries if isinstance(one, File) and one.secret}
    assert set(holding) <= secrets


def test_a_bucket_is_named_to_both_engines() -> None:
    result = planned(TO_S3)
    assert "repo1-type=s3\nrepo1-s3-bucket=backups\n" in result.text(backup_target.CONFIGURATION)
    told = result.text(backup_target.CONFIGURATION).splitlines()
    assert {
        "repo1-path=/chat/mattermost-host/database",
        "repo1-s3-endpoint=s3.example.com",
        "repo1-storage-port=9000",
        "repo1-s3-uri-style=path",
        "repo1-s3-region=eu-1",
    } <= set(told)
    restic = "RESTIC_REPOSITORY=s3:https://s3.example.com:9000/backups/chat/mattermost-host/files"
    assert restic in result.text(backup_target.RESTIC)
    assert not any(one.path.startswith(("/srv", "/chat")) for one in result.entries)


def test_amazons_buckets_have_names_of_their_own() -> None:
    """Where a bucket is part of the service's name, and the port is the usual one."""
    amazon = TO_S3.model_copy(update={"endpoint": "https://s3.eu-central-1.amazonaws.com"})
    told = planned(amazon).text(backup_target.CONFIGURATION)
    assert "repo1-s3-uri-style=host\nrepo1-s3-key=" in told
    assert "repo1-storage-port=443\n" in told


def test_an_authority_of_the_services_own_is_given_to_both(tmp_path: Path) -> None:
    file = tmp_path / "authority.pem"
    file.write_text(pair().certificate)
    result = planned(TO_S3.model_copy(update={"ca_certificate": str(file)}))
    assert result.text(backup_target.AUTHORITIES) == pair().certificate
    assert f"ca-file={backup_target.AUTHORITIES}\n" in result.text(backup_target.CONFIGURATION)
    assert f"SSL_CERT_FILE={backup_target.AUTHORITIES}\n" in result.text(backup_target.RESTIC)


def test_only_units_of_a_bucket_reach_the_network() -> None:
    folder, bucket, other = (planned(settings) for settings in (TO, TO_S3, TO_HOST))
    for unit in (*backup_files.SERVICES, backup_drill.SERVICE):
        path = f"{backup_files.UNITS}/{unit}"
        assert "PrivateNetwork=yes" in folder.text(path)
        assert "AF_INET" not in folder.text(path)
        for networked in (bucket, other):
            assert "PrivateNetwork" not in networked.text(path)
            assert "AF_INET AF_INET6" in networked.text(path)


def test_another_host_is_known_by_its_keys_to_both_engines() -> None:
    result = planned(TO_HOST)
    told = result.text(backup_target.CONFIGURATION).splitlines()
    assert {
        "repo1-type=sftp",
        "repo1-sftp-host=backup.example.com",
        "repo1-sftp-host-port=2222",
        "repo1-sftp-host-user=chat",
        "repo1-sftp-host-key-check-type=strict",
        f"repo1-sftp-known-host={backup_target.KNOWN_HOSTS}",
        f"repo1-sftp-private-key-file={backup_target.PGBACKREST_SSH_KEY}",
        "repo1-path=/backups/mattermost-host/database",
    } <= set(told)
    known = f"[backup.example.com]:2222 {HOST_KEY}\n"
    assert result.text(backup_target.KNOWN_HOSTS) == known
    restic = result.text(backup_target.RESTIC)
    assert "RESTIC_REPOSITORY=sftp:other:/backups/mattermost-host/files " in restic
    assert "StrictHostKeyChecking=yes" in restic
    assert f"UserKnownHostsFile={backup_target.KNOWN_HOSTS}" in restic


def test_the_key_of_another_host_is_in_two_closed_files_and_in_no_command() -> None:
    result = planned(TO_HOST)
    line = SSH.splitlines()[2]
    holding = [path for path, content in result.written.items() if line.encode() in content]
    keys = {backup_target.SSH_KEY: "600", backup_target.PGBACKREST_SSH_KEY: "640"}
    assert sorted(holding) == sorted(keys)
    assert line not in result.shell
    files = [one for one in result.entries if isinstance(one, File) and one.path in keys]
    assert {one.path: one.mode for one in files} == keys
    assert all(one.secret for one in files)
