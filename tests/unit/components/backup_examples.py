"""Backups in a folder, on another host and in a bucket, planned without a host."""

from typing import Any

from pydantic import SecretStr

from mattermost_host.components import backup
from mattermost_host.components.backup import Settings
from mattermost_host.facts.host import HostFacts
from mattermost_host.knowledge.backup_places import Access
from mattermost_host.knowledge.families import DEBIAN
from mattermost_host.ops import backup_files
from mattermost_host.preflight.finding import Requirement
from tests.unit.examples import (
    DEBIAN_12,
    HOST_KEY,
    place,
    ssh_key,
)
from tests.unit.fake_host import Answer, Plan, nothing_installed, plan

KEY = "Key-of-all-backups"
CLUSTER = DEBIAN.cluster(15)
SERVER = backup_files.Server("mattermost", "/var/lib/mattermost", "http://127.0.0.1:8065/ping")
KEPT = ("/etc/mattermost-host", "/var/lib/mattermost/data")
TO = Settings(to="/srv/backup")
SSH = ssh_key()
ACCESS = Access(SecretStr("S3-Access-Key"), SecretStr("S3-Secret-Key"), SecretStr(SSH))
TO_HOST = Settings(to="sftp://chat@backup.example.com:2222/backups", host_keys=[HOST_KEY])
TO_S3 = Settings(to="s3://backups/chat", endpoint="https://s3.example.com:9000", region="eu-1")


def _deployed(settings: Settings, facts: HostFacts) -> None:
    parts: Any = backup
    parts.deploy(settings, facts, cluster=CLUSTER, key=SecretStr(KEY), access=ACCESS)
    parts.schedule(settings, cluster=CLUSTER, kept=KEPT, server=SERVER)
    parts.prove(settings, cluster=CLUSTER, server=SERVER)


def planned(
    settings: Settings = TO, facts: HostFacts = DEBIAN_12, answer: Answer = nothing_installed
) -> Plan:
    return plan(lambda: _deployed(settings, facts), answer=answer)


def required(settings: Settings, name: str) -> Requirement:
    """The check of that name."""
    needs = backup.requires(settings, place())
    (found,) = [one for one in needs if isinstance(one, Requirement) and one.name == name]
    return found
