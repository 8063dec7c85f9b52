"""What a user left on a site, to be read back by hash; a lost host's backups."""

import secrets
import subprocess
from dataclasses import dataclass
from hashlib import sha256

from mattermost_host.verify.api_client import member
from tests.lab.deployment import Deployment
from tests.lab.hosts import LabHost

WORDS = "kept by a backup"
LOST = "/srv/backup/lost"
"""Where the lost host's backups are on the new one."""


@dataclass(frozen=True)
class Kept:
    """A post with a file, as a user made it."""

    post: str
    file: str
    sha256: str


def post_with_file(site: Deployment, team_name: str = "kept") -> Kept:
    """A post with a file of 300,000 bytes that can't be guessed, in a team of that name."""
    content = secrets.token_bytes(300_000)
    with site.administrator() as client:
        team = client.made("/teams", json={"name": team_name, "display_name": "Kept", "type": "O"})
        path = f"/teams/{team}/channels/name/town-square"
        channel = member(client.ask("GET", path, 200), "id")
        upload = client.ask(
            "POST",
            "/files",
            201,
            data={"channel_id": channel},
            files={"files": ("kept.bin", content, "application/octet-stream")},
        )
        file = str(upload.json()["file_infos"][0]["id"])
        words = {"channel_id": channel, "message": WORDS, "file_ids": [file]}
        return Kept(client.made("/posts", json=words), file, sha256(content).hexdigest())


def read_back(site: Deployment, kept: Kept) -> None:
    """Post and file are there, to the last byte."""
    with site.administrator() as client:
        assert client.ask("GET", f"/posts/{kept.post}", 200).json()["message"] == WORDS
        content = client.ask("GET", f"/files/{kept.file}", 200).content
    assert sha256(content).hexdigest() == kept.sha256


def copy(one: LabHost, other: LabHost, folder: str, to: str) -> None:
    """A folder of one host, with owners and modes by number, to another."""
    other.run(f"mkdir -p {to}")
    sent = subprocess.Popen(
        [*one.ssh(), f"tar -C {folder} --numeric-owner -c ."], stdout=subprocess.PIPE
    )
    unpack = [*other.ssh(), f"tar -C {to} --numeric-owner -x"]
    subprocess.run(unpack, stdin=sent.stdout, check=True, timeout=300)
    assert sent.wait() == 0


def restored(site: Deployment, folder: str = LOST, *options: str, check: bool = True) -> str:
    """What `restore --from` says."""
    typed_ = ("mattermost-host", "restore", str(site.inventory), "--from", folder, "--yes")
    said = site.run(*typed_, *options, check=check)
    print(said.output)
    return said.words if said.status == 0 else f"refused: {said.words}"
