"""Disasters of the runbook's table: what is lost, what an operator does, how long it takes."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.lab.deployment import Deployment
from tests.lab.hosts import Lab
from tests.lab.kept import Kept, post_with_file, read_back
from tests.lab.runbook import typed

PSQL = "cd / && runuser -u postgres -- psql -XAtq -d mattermost"
REPOSITORY = "/srv/backup/mattermost-host"
KEY = "/etc/mattermost-host/backup.key"
INFO = "cd / && runuser -u postgres -- pgbackrest --stanza=mattermost info"


@pytest.fixture(scope="module")
def site(lab: Lab, release: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    folder = tmp_path_factory.mktemp("disasters")
    made = Deployment(lab, lab.up("disaster"), folder, release, backup={"to": "/srv/backup"})
    made.deploy()
    yield made


@pytest.fixture(scope="module")
def kept(site: Deployment) -> Kept:
    made = post_with_file(site, "before")
    site.run("mattermost-host", "backup", str(site.inventory))
    return made


@contextmanager
def timed(what: str) -> Iterator[None]:
    """Print how long the way back took."""
    began = time.monotonic()
    yield
    print(f"{what}: {time.monotonic() - began:.0f} s")


def test_a_wrong_delete(site: Deployment, kept: Kept) -> None:
    when = site.host.run("sleep 2; date '+%F %T%:::z'; sleep 2").stdout.strip()
    site.host.run(f"{PSQL} -c 'DELETE FROM posts'")
    with timed("a wrong DELETE, gone back to the time before"):
        site.run(*typed("Restore", site, words={'"$WHEN"': f"'{when}'"}), "--yes")
    read_back(site, kept)
    assert site.deploy().changed == ()


def test_the_repository_is_gone(site: Deployment, kept: Kept) -> None:
    site.host.run(f"rm -r {REPOSITORY}")
    assert site.run("mattermost-host", "plan", str(site.inventory), check=False).status == 2
    with timed("the repository gone, begun again with a full backup"):
        site.deploy()
    assert "full backup" in site.host.run(INFO).stdout
    read_back(site, kept)
    assert site.deploy().changed == ()


def test_the_control_machine_is_gone(
    lab: Lab, release: Path, site: Deployment, kept: Kept, tmp_path: Path
) -> None:
    before = site.host.run(f"cat {KEY} {REPOSITORY}/files/config | sha256sum").stdout
    again = Deployment(lab, site.host, tmp_path, release, backup={"to": "/srv/backup"})
    for words in (("plan",), ("apply", "--yes")):
        refused = again.run("mattermost-host", *words, str(again.inventory), check=False)
        assert refused.status == 1
        assert f"Write the key of {KEY} on the host as backup_key" in refused.words
    assert site.host.run(f"cat {KEY} {REPOSITORY}/files/config | sha256sum").stdout == before
    with timed("the control machine gone, from a new inventory to the verified site"):
        key = site.host.run(f"cat {KEY}").stdout.strip()
        password = site.secrets["admin_password"]
        again.secrets_file.write_text(f'backup_key = "{key}"\nadmin_password = "{password}"\n')
        again.secrets_file.chmod(0o600)
        again.run(*typed("Replace the control machine", again), check=False)
        again.deploy()
        again.verify("--journey")
    read_back(again, kept)
    assert again.deploy().changed == ()
