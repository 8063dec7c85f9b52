"""PostgreSQL of the PostgreSQL project on the look-alike of Enterprise Linux 9."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab import pgdg
from tests.lab.deployment import Deployment
from tests.lab.doors import PLAN
from tests.lab.hosts import Lab
from tests.lab.truth import sql

REPOSITORY = "/etc/yum.repos.d/mattermost-host-pgdg.repo"
KEY = "/etc/pki/rpm-gpg/PGDG-RPM-GPG-KEY-RHEL"
UNIT = "postgresql-15.service"


@pytest.fixture(scope="module")
def deployment(
    lab: Lab, release: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    fingerprint, authority = pgdg.serve(lab)
    host = lab.up("el", suite="el9")
    pgdg.trust(host, authority)
    folder = tmp_path_factory.mktemp("pgdg")
    database = {"pgdg": True, "version": pgdg.MAJOR}
    made = Deployment(lab, host, folder, release, postgres=database)
    made.deploys = "deploys/site.py"
    refused = made.deploy(check=False)
    assert refused.status != 0
    assert f"has the key {fingerprint} and not" in refused.words
    made.deploys = str(pgdg.deploys(folder, fingerprint) / "site.py")
    made.deploy()
    yield made


def _told(deployment: Deployment, *command: str) -> tuple[int, str]:
    """Exit status and words of a command of ours, with the deploy that knows the lab's key."""
    typed = (*command, str(deployment.inventory))
    done = deployment.run("python", "-c", PLAN, deployment.deploys, *typed, check=False)
    return done.status, done.words


def _plan(deployment: Deployment) -> tuple[int, str]:
    return _told(deployment, "plan")


def test_a_second_run_changes_nothing_and_all_is_proved(deployment: Deployment) -> None:
    assert deployment.deploy().changed == ()
    status, words = _plan(deployment)
    assert status == 0, words
    status, words = _told(deployment, "verify", "--journey")
    assert status == 0, words


def test_it_is_the_project_s_postgresql(deployment: Deployment) -> None:
    host = deployment.host
    shown = sql("show data_checksums; show data_directory; show server_version")
    said = host.run(shown.replace("psql -q", "/usr/pgsql-15/bin/psql -q -At")).stdout.split()
    assert said[:2] == ["on", "/var/lib/pgsql/15/data"]
    assert said[2].startswith("15.")
    assert "PGDG" in host.run("rpm -q postgresql15-server").stdout
    assert "postgresql 15 [x]" in host.run("dnf -q module list --disabled").stdout


TAMPERINGS = {
    "the repository": (f"rm {REPOSITORY}", REPOSITORY),
    "the key": (f"echo >>{KEY}", KEY),
    "the module": ("dnf -y -q module reset postgresql", "the module postgresql of dnf"),
    "the unit": (f"systemctl disable -q {UNIT}", f"{UNIT} does not start at boot"),
}


@pytest.mark.parametrize(("command", "named"), TAMPERINGS.values(), ids=list(TAMPERINGS))
def test_plan_sees_it_and_a_run_repairs_it(
    deployment: Deployment, command: str, named: str
) -> None:
    deployment.host.run(command)
    status, words = _plan(deployment)
    assert (status, named in words) == (2, True), words
    deployment.deploy()
    status, words = _plan(deployment)
    assert status == 0, words
