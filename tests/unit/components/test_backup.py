"""The component backup: off, fresh, converged, one setting at a time."""

import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from mattermost_host.components import backup
from mattermost_host.components.backup import Settings
from mattermost_host.facts.host import DISK_PATHS, Disk, HostFacts
from mattermost_host.knowledge.backup_places import Access
from mattermost_host.knowledge.families import DEBIAN
from mattermost_host.ops import backup_drill, backup_files, backup_target, backup_watch, remains
from mattermost_host.ops.entries import Directory, File
from mattermost_host.preflight import backup_place
from tests.unit.examples import (
    DEBIAN_12,
    HOST_KEY,
    ROCKY_9,
    converged,
    files_that_differ,
    mistakes_of,
    pair,
    place,
    ssh_key,
)
from tests.unit.fake_host import Answer, Plan, answering, nothing_installed, plan

KEY = "Key-of-all-backups"
CLUSTER = DEBIAN.cluster(15)
SERVER = backup_files.Server("mattermost", "/var/lib/mattermost", "http://127.0.0.1:8065/ping")
KEPT = ("/etc/mattermost-host", "/var/lib/mattermost/data")
TO = Settings(to="/srv/backup")
SSH = ssh_key()
ACCESS = Access(SecretStr("S3-Access-Key"), SecretStr("S3-Secret-Key"), SecretStr(SSH))
TO_HOST = Settings(to="sftp://chat@backup.example.com:2222/backups", host_keys=[HOST_KEY])
TO_S3 = Settings(to="s3://backups/chat", endpoint="https://s3.example.com:9000", region="eu-1")
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


def _deployed(settings: Settings, facts: HostFacts) -> None:
    parts: Any = backup
    parts.deploy(settings, facts, cluster=CLUSTER, key=SecretStr(KEY), access=ACCESS)
    parts.schedule(settings, cluster=CLUSTER, kept=KEPT, server=SERVER)
    parts.prove(settings, cluster=CLUSTER, server=SERVER)


def _plan(
    settings: Settings = TO, facts: HostFacts = DEBIAN_12, answer: Answer = nothing_installed
) -> Plan:
    return plan(lambda: _deployed(settings, facts), answer=answer)


def test_a_fresh_host() -> None:
    assert _plan().changed == [
        "Backup | pgBackRest and restic are installed",
        "Backup | repositories and their settings are in place",
        "Backup | the database is archived",
        "Backup | the nightly backup is described",
        "Backup | the nightly backup is scheduled",
        "Backup | the metrics of backups are scheduled",
        "Backup | a backup was made lately",
        "Backup | the weekly drill is described",
        "Backup | the weekly drill is scheduled",
    ]


def test_a_converged_host_yields_nothing() -> None:
    assert _plan(answer=converged(_plan())).changed == []


def test_switched_off_it_asks_for_what_is_left_and_removes_that() -> None:
    result = _plan(Settings())
    assert result.changed == []
    ours = (*backup_files.OURS, *backup_drill.OURS, *backup_watch.OURS)
    timers = (backup_files.TIMER_FILE, backup_drill.TIMER_FILE, backup_watch.TIMER_FILE)
    left = answering({remains.AskRemains(ours): timers})
    shell = _plan(Settings(), answer=left).step("nothing of backups is left").shell
    ended = f"systemctl disable --quiet --now {backup_files.TIMER} {backup_drill.TIMER} "
    assert ended in shell
    assert all(path in shell for path in ours)
    assert "/srv" not in shell


def test_without_drills_what_is_left_of_them_is_removed() -> None:
    left = answering({remains.AskRemains(backup_drill.OURS): (backup_drill.TIMER_FILE,)})
    shell = _plan(Settings(to="/srv/backup", drill=False), answer=left).shell
    assert f"systemctl disable --quiet --now {backup_drill.TIMER}\n" in shell


def test_what_is_backed_up_is_closed_to_others() -> None:
    owned = [one for one in _plan().entries if isinstance(one, File | Directory)]
    closed = {one.path: (one.mode, one.user, one.group) for one in owned}
    assert closed["/srv/backup/mattermost-host/database"] == ("700", "postgres", "postgres")
    assert closed["/srv/backup/mattermost-host/files"] == ("700", "root", "root")
    assert closed[backup_target.CONFIGURATION] == ("640", "root", "postgres")
    assert closed[backup_target.KEY_FILE] == ("600", "root", "root")
    assert closed[backup_target.PGBACKREST] == ("750", "root", "postgres")


def test_the_key_is_in_two_closed_files_and_in_no_command() -> None:
    result = _plan()
    holding = [path for path, content in result.written.items() if KEY.encode() in content]
    assert sorted(holding) == sorted([backup_target.CONFIGURATION, backup_target.KEY_FILE])
    assert KEY not in result.shell


def test_the_keys_of_a_bucket_are_in_two_closed_files_and_in_no_command() -> None:
    result = _plan(TO_S3)
    assert ACCESS.s3_secret_key
    secret = ACCESS.s3_secret_key.get_secret_value()
    holding = [path for path, content in result.written.items() if secret.encode() in content]
    assert sorted(holding) == sorted([backup_target.CONFIGURATION, backup_target.RESTIC])
    assert secret not in result.shell
    secrets = {one.path for one in result.entries if isinstance(one, File) and one.secret}
    assert set(holding) <= secrets


def test_a_bucket_is_named_to_both_engines() -> None:
    result = _plan(TO_S3)
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
    told = _plan(amazon).text(backup_target.CONFIGURATION)
    assert "repo1-s3-uri-style=host\nrepo1-s3-key=" in told
    assert "repo1-storage-port=443\n" in told


def test_an_authority_of_the_services_own_is_given_to_both(tmp_path: Path) -> None:
    file = tmp_path / "authority.pem"
    file.write_text(pair().certificate)
    result = _plan(TO_S3.model_copy(update={"ca_certificate": str(file)}))
    assert result.text(backup_target.AUTHORITIES) == pair().certificate
    assert f"ca-file={backup_target.AUTHORITIES}\n" in result.text(backup_target.CONFIGURATION)
    assert f"SSL_CERT_FILE={backup_target.AUTHORITIES}\n" in result.text(backup_target.RESTIC)


def test_only_units_of_a_bucket_reach_the_network() -> None:
    folder, bucket, other = (_plan(settings) for settings in (TO, TO_S3, TO_HOST))
    for unit in (*backup_files.SERVICES, backup_drill.SERVICE):
        path = f"{backup_files.UNITS}/{unit}"
        assert "PrivateNetwork=yes" in folder.text(path)
        assert "AF_INET" not in folder.text(path)
        for networked in (bucket, other):
            assert "PrivateNetwork" not in networked.text(path)
            assert "AF_INET AF_INET6" in networked.text(path)


def test_another_host_is_known_by_its_keys_to_both_engines() -> None:
    result = _plan(TO_HOST)
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
    result = _plan(TO_HOST)
    line = SSH.splitlines()[2]
    holding = [path for path, content in result.written.items() if line.encode() in content]
    keys = {backup_target.SSH_KEY: "600", backup_target.PGBACKREST_SSH_KEY: "640"}
    assert sorted(holding) == sorted(keys)
    assert line not in result.shell
    files = [one for one in result.entries if isinstance(one, File) and one.path in keys]
    assert {one.path: one.mode for one in files} == keys
    assert all(one.secret for one in files)


def test_the_repository_is_the_clusters() -> None:
    lines = _plan().text(backup_target.CONFIGURATION).splitlines()
    assert "repo1-path=/srv/backup/mattermost-host/database" in lines
    assert "repo1-cipher-type=aes-256-cbc" in lines
    assert "repo1-retention-full=4" in lines
    assert lines[-4:] == [
        "[mattermost]",
        "pg1-path=/var/lib/postgresql/15/main",
        "pg1-port=5432",
        "pg1-socket-path=/var/run/postgresql",
    ]


@pytest.mark.parametrize(
    ("size_mb", "queue"), [(0, 1_024), (5_000, 1_024), (100_000, 10_000), (9_000_000, 65_536)]
)
def test_a_repository_that_is_away_may_fill_a_tenth_of_the_disk(size_mb: int, queue: int) -> None:
    disks = tuple(Disk(path, "/dev/sda1", 1, size_mb) for path in DISK_PATHS)
    text = _plan(facts=replace(DEBIAN_12, disks=disks)).text(backup_target.CONFIGURATION)
    assert f"archive-push-queue-max={queue}MiB" in text


def test_more_full_backups_are_three_files() -> None:
    changed = files_that_differ(_plan(), _plan(Settings(to="/srv/backup", keep_full=8)))
    keeping = (backup_files.BACK_UP_FILES, backup_files.DUMP)
    assert changed == {backup_target.CONFIGURATION, *keeping}
    more = _plan(Settings(to="/srv/backup", keep_full=8))
    assert all("--keep-within 63d" in more.text(path) for path in keeping)


def test_postgresql_archives_where_there_is_a_repository() -> None:
    assert backup.parameters(Settings()) == {}
    assert backup.parameters(TO) == {
        "archive_mode": "on",
        "archive_command": "'pgbackrest --stanza=mattermost archive-push %p'",
        "archive_timeout": "60s",
    }


@pytest.mark.parametrize(
    "path",
    [
        backup_files.BACK_UP_DATABASE,
        backup_files.DUMP,
        backup_files.BACK_UP_FILES,
        backup_files.RESTORE,
        backup_drill.PROGRAM,
        backup_target.RESTIC,
        backup_watch.PROGRAM,
    ],
)
def test_the_programs_are_shell(path: str) -> None:
    for settings in (TO, TO_S3, TO_HOST):
        subprocess.run(["sh", "-n"], input=_plan(settings).text(path), text=True, check=True)


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


def test_a_pgbackrest_that_can_not_speak_sftp_is_refused() -> None:
    (_, requirement) = backup.requires(TO_HOST, place())
    newer = replace(DEBIAN_12, packages=(("pgbackrest", "2.57.0-1.pgdg12+1"),))
    older = replace(DEBIAN_12, packages=(("pgbackrest", "2.45-1"),))
    for facts, verdict in [
        (DEBIAN_12, "error"),
        (older, "error"),
        (newer, "ok"),
        (replace(DEBIAN_12, release="13"), "ok"),
    ]:
        assert [one.verdict for one in requirement.check(facts)] == [verdict]


def test_a_number_alone_is_refused() -> None:
    (found,) = backup.mistakes(Settings(keep_full=3), place())
    assert found.path == "backup.keep_full"
    assert mistakes_of(backup={"to": "/srv/b", "keep_full": 0})


def test_a_key_is_needed_where_there_are_backups() -> None:
    assert backup.secrets(TO, place()).backup_key
    assert not backup.secrets(Settings(), place()).backup_key


def test_a_distribution_without_the_programs_is_refused() -> None:
    (requirement, _) = backup.requires(TO, place())
    assert [one.verdict for one in requirement.check(DEBIAN_12)] == ["ok"]
    assert [one.verdict for one in requirement.check(ROCKY_9)] == ["error"]


def test_its_secret_files_are_declared() -> None:
    paths = [one.path for one in backup.surface(TO, place()).secret_files]
    assert paths == [backup_target.CONFIGURATION, backup_target.KEY_FILE, backup_target.RESTIC]
    assert backup.surface(Settings(), place()).secret_files == ()
