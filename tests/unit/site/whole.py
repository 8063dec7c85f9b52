"""The whole of deploys/site.py, or of another deploy, on a host that is not there."""

import runpy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from mattermost_host.facts.host import HostFacts
from mattermost_host.preflight import external_database_findings
from mattermost_host.releases.choice import Release
from mattermost_host.releases.download import Tarball
from mattermost_host.site.site import Site
from tests.unit.examples import DEBIAN_12, URL, pair, ssh_key
from tests.unit.fake_host import Answer, Plan, nothing_installed, plan

PROJECT = Path(__file__).parents[3]
ON_ONE_HOST = 'app = db = proxy = ["@fake/host"]'
ON_THREE_HOSTS = """
_at = {"@fake/host": "10.0.0.1", "@fake/second": "10.0.0.2", "@fake/third": "10.0.0.3"}
etcd = db = [(name, {"private_address": address}) for name, address in _at.items()]
app = proxy = etcd[:1]
"""
"""A database on three hosts, of which the first has server and proxy, too."""
PASSWORD = "Golden-Password-1"
OF_S3 = ("BACKUP_S3_ACCESS_KEY", "BACKUP_S3_SECRET_KEY")


def planned(
    changed: Mapping[str, Any],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    facts: HostFacts = DEBIAN_12,
    answer: Answer = nothing_installed,
    deploy: str = "site.py",
    hosts: str = ON_ONE_HOST,
) -> Plan:
    """What a deploy would do on a host that answers so; ``changed`` are keys of the description."""
    for name in ("ADMIN_PASSWORD", "DATABASE_PASSWORD", "BACKUP_KEY", *OF_S3):
        monkeypatch.setenv(f"MATTERMOST_HOST_{name}", PASSWORD)
    monkeypatch.setenv("MATTERMOST_HOST_BACKUP_SSH_KEY", ssh_key())
    tarball = folder / "mattermost-11.7.9.tar.gz"
    tarball.touch()
    release = {"file": str(tarball), "unverified": True}
    mattermost = {"release": release, **changed.get("mattermost", {})}
    site = {"url": URL, "users": 500, **changed, "mattermost": mattermost}
    inventory = folder / "example.py"
    inventory.write_text(f"site = {site!r}\n{hosts}\n")
    made = Site.load(inventory)
    monkeypatch.setattr(Site, "_current", made)
    monkeypatch.setattr(Site, "certificate", pair() if made.certificate else None)
    wanted = Release("11.7.9-0123abcd", lambda _: Tarball(tarball, "ab" * 32))
    releases = {facts: wanted}
    monkeypatch.setattr(Site, "release", lambda _, facts: releases[facts])
    # An external database is asked over ssh.
    monkeypatch.setattr(external_database_findings, "inquiries", lambda *_, **__: [])
    path = PROJECT / "deploys" / deploy
    return plan(lambda: runpy.run_path(str(path)), facts=facts, answer=answer)
