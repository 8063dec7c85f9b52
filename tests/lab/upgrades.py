"""A site whose release is moved: what users wrote, by hash, and the commands of an operator."""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mattermost_host.verify.api_client import Client, content
from tests.lab.deployment import Deployment, Run
from tests.lab.runbook import typed

OLD, NEW = "10.11.16", "11.7.9"
KNOWN = "11.2.4"  # the old one is known to run on its database
PSQL = "cd /; setpriv --reuid=postgres --init-groups --regid=postgres psql -At -d mattermost"
CURRENT = "/opt/mattermost/current"
JOURNAL = "/opt/mattermost/upgrade/journal"
PLAN = "/opt/mattermost/upgrade/plan.json"
LEFT = "find /run/mattermost-host -path '*/hold/*'"
"""Finds what NGINX reads besides during a hold."""
UNIT = "mattermost-host-upgrade.service"


@dataclass(frozen=True)
class Written:
    """A post and a file, by their hashes."""

    post: str
    message: str
    file: str
    digest: str


def write(deployment: Deployment) -> Written:
    """A post with a file, by the administrator to himself."""
    with deployment.administrator() as person:
        return written_by(person)


def written_by(person: Client) -> Written:
    """A post with a file, to oneself."""
    me = content(person.ask("GET", "/users/me", 200))["id"]
    channel = person.made("/channels/direct", json=[me, me])
    data = secrets.token_bytes(100_000)
    sent = person.ask(
        "POST",
        "/files",
        201,
        data={"channel_id": channel},
        files={"files": ("some.bin", data, "application/octet-stream")},
    )
    file = content(sent)["file_infos"][0]["id"]
    message = f"Written {secrets.token_hex(8)}."
    body = {"channel_id": channel, "message": message, "file_ids": [file]}
    post = person.made("/posts", json=body)
    return Written(post, message, file, hashlib.sha256(data).hexdigest())


def all_there(deployment: Deployment, written: Sequence[Written]) -> None:
    """Every post and file is what it was."""
    with deployment.administrator() as person:
        read_by(person, written)


def read_by(person: Client, written: Sequence[Written]) -> None:
    """Every post and file is what it was, as `person` reads it."""
    for one in written:
        assert content(person.ask("GET", f"/posts/{one.post}", 200))["message"] == one.message
        data = person.ask("GET", f"/files/{one.file}", 200).content
        assert hashlib.sha256(data).hexdigest() == one.digest


def state(deployment: Deployment, tarball: Path) -> None:
    """Let the inventory state this release."""
    deployment.site["mattermost"]["release"] = {"file": str(tarball), "unverified": True}
    deployment.write()


def upgrade(deployment: Deployment, *options: str) -> Run:
    """The runbook's upgrade, without the question."""
    command = typed("Upgrade to another release", deployment)
    return deployment.run(*command, "--yes", *options, check=False)


def rollback(deployment: Deployment, *options: str) -> Run:
    """The runbook's way back, without the question."""
    command = typed("An upgrade that was cut off", deployment)
    return deployment.run(*command, "--yes", *options, check=False)


def current(deployment: Deployment) -> str:
    """Where the link leads."""
    return deployment.host.run(f"readlink {CURRENT}").stdout.strip()


def released(deployment: Deployment) -> None:
    """Nobody is held back, and nothing of a test is left."""
    assert "mattermost_hold" not in deployment.host.run("nft list tables").stdout
    assert deployment.host.run(LEFT).stdout == ""
    people = deployment.host.run(
        f"{PSQL} -c \"SELECT count(*) FROM users WHERE username LIKE 'upgrade-probe%'\""
    )
    assert people.stdout.strip() == "0"
