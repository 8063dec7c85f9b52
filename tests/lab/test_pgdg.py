"""PostgreSQL from the PostgreSQL project's own repository, where that can be reached."""

from pathlib import Path

import pytest

from tests.lab.deployment import Deployment
from tests.lab.hosts import Lab

REPOSITORY = "https://apt.postgresql.org/pub/repos/apt/README"
ASK = f"python3 -c 'import urllib.request as u; u.urlopen(\"{REPOSITORY}\", timeout=10)'"


def test_site_with_its_postgresql(lab: Lab, release: Path, tmp_path: Path) -> None:
    host = lab.up("pgdg")
    if host.run(ASK, check=False).returncode:
        pytest.skip(f"no test host reaches {REPOSITORY}")
    deployment = Deployment(lab, host, tmp_path, release, postgres={"pgdg": True, "version": 17})
    deployment.deploy()
    assert deployment.deploy().changed == ()
    deployment.verify()
    assert "postgresql@17-main" in host.run("systemctl list-units --plain 'postgresql@*'").stdout
