"""A site on the look-alike of Enterprise Linux 9: install, no change, tamperings, blows.

Its PostgreSQL is Debian's 15, whatever its packages say; so the site takes the stream 15.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab import commands
from tests.lab.deployment import Deployment
from tests.lab.hosts import Lab, LabHost
from tests.lab.runbook import script, typed
from tests.lab.strikes import Blow, strike
from tests.lab.truth import MATTERMOST, NGINX, heals, sql, tampering
from tests.lab.upgrades import all_there, write

POSTGRES = "postgresql.service"
UNITS = (POSTGRES, MATTERMOST, NGINX)
DATA = "/var/lib/pgsql/data"
SETTINGS = "/etc/mattermost-host/postgresql"
TLS = "/etc/mattermost-host/tls"
MOST_COMMANDS = 2
"""The preflight, and all questions at once."""
CHECKSUMS_OFF = (
    f"systemctl stop {POSTGRES}; "
    f"runuser -u postgres -- pg_checksums --disable -D {DATA}; systemctl start {POSTGRES}"
)


def _described(lab: Lab, host: LabHost, folder: Path, release: Path) -> Deployment:
    return Deployment(lab, host, folder, release, postgres={"version": 15})


@pytest.fixture(scope="module")
def deployment(
    lab: Lab, release: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    host = lab.up("el", suite="el9")
    made = _described(lab, host, tmp_path_factory.mktemp("el"), release)
    made.deploy()
    yield made


def test_a_second_run_changes_nothing_and_users_take_their_journey(deployment: Deployment) -> None:
    assert deployment.deploy().changed == ()
    deployment.verify("--journey")


def test_a_run_without_changes_sends_as_many_commands_as_on_debian(
    deployment: Deployment, lab: Lab, release: Path, tmp_path: Path
) -> None:
    debian = lab.up("debian")
    try:
        there = Deployment(lab, debian, tmp_path, release)
        there.deploy()
        counts = {one.name: _commands(one) for one in (deployment, there)}
    finally:
        lab.down(debian)
    assert len(set(counts.values())) == 1, counts
    assert max(counts.values()) <= MOST_COMMANDS


def _commands(deployment: Deployment) -> int:
    """Of a run that changes nothing."""
    commands.count(deployment.host)
    before = commands.sent(deployment.host)
    assert deployment.deploy().changed == ()
    # The counting is a command itself.
    return commands.sent(deployment.host) - before - 1


def test_the_database_is_as_its_packages_have_it(deployment: Deployment) -> None:
    host = deployment.host
    shown = sql("show data_checksums; show config_file; show data_directory")
    told = host.run(shown.replace("psql -q", "psql -q -At")).stdout.split()
    assert told == ["on", f"{SETTINGS}/mattermost-host.conf", DATA]
    assert host.run("ls /tmp/.s.PGSQL*", check=False).returncode != 0


TAMPERINGS = {
    "the stream of the database": tampering(
        "dnf -y -q module reset postgresql; dnf -y -q module enable postgresql:16",
        {"the module postgresql of dnf is fixed to its stream 16 instead of 15"},
    ),
    "the stream of the proxy, with its packages": tampering(
        "dnf -y -q module switch-to nginx:1.22",
        {"the module nginx of dnf is fixed to its stream 1.22 instead of 1.24"},
        NGINX,
    ),
    "settings that include nothing of the cluster": tampering(
        f"sed -i /include/d {SETTINGS}/mattermost-host.conf",
        {f"{SETTINGS}/mattermost-host.conf"},
        reloads={POSTGRES},
    ),
    "settings in the cluster's own file": tampering(
        f"echo work_mem = 1MB >>{DATA}/postgresql.auto.conf; systemctl reload {POSTGRES}",
        {"the parameter work_mem"},
    ),
    "access rules": tampering(
        f"echo local all all trust >>{SETTINGS}/pg_hba.conf",
        {f"{SETTINGS}/pg_hba.conf"},
        reloads={POSTGRES},
    ),
    "the unit's drop-in": tampering(
        f"rm /etc/systemd/system/{POSTGRES}.d/mattermost-host.conf",
        {f"{POSTGRES}.d/mattermost-host.conf"},
    ),
    "the main file of the proxy": tampering(
        "cp /etc/nginx/nginx.conf.default /etc/nginx/nginx.conf", {"/etc/nginx/nginx.conf"}
    ),
    "a type of SELinux for a file of ours": tampering(
        f"semanage fcontext -a -f f -t tmp_t {TLS}/privkey.pem; restorecon {TLS}/privkey.pem",
        {f"{TLS}/privkey.pem has a rule of SELinux that is not ours"},
    ),
    "files of ours that SELinux takes for others": tampering(
        f"semanage fcontext -a -e /var/tmp {TLS}/aside",
        {f"{TLS}/aside has a rule of SELinux that is not ours"},
    ),
    "another type of SELinux for the server's port": tampering(
        "semanage port -m -t http_cache_port_t -p tcp 8065",
        {"TCP port 8065 is not labelled http_port_t"},
    ),
    "a boolean of SELinux that is off until the next boot": tampering(
        "setsebool httpd_can_network_relay off",
        {"SELinux's boolean httpd_can_network_relay is off"},
    ),
    "data checksums": tampering(
        CHECKSUMS_OFF, {f"no data checksums in {DATA}"}, POSTGRES, MATTERMOST
    ),
}


@pytest.mark.parametrize("what", TAMPERINGS)
def test_plan_sees_it_and_a_run_repairs_it(deployment: Deployment, what: str) -> None:
    heals(deployment, TAMPERINGS[what], UNITS)


def test_packages_of_another_stream_are_put_back_by_an_operator_only(
    deployment: Deployment,
) -> None:
    inventory, version = str(deployment.inventory), "rpm -q --qf '%{VERSION}' postgresql-server"
    deployment.host.run("dnf -y -q module switch-to postgresql:16")
    deployment.run("mattermost-host", "drift", "--heal", "safe", inventory, check=False)
    assert deployment.host.run(version).stdout == "16.4"
    # As a reset of the stream would leave it.
    deployment.host.run("dnf -y -q module reset postgresql; dnf -y -q module enable postgresql:15")
    told = deployment.run("mattermost-host", "plan", inventory, check=False)
    assert "has postgresql-server 16.4" in told.words, told.words
    deployment.deploy()
    assert deployment.host.run(version).stdout == "15.8"
    deployment.verify()


def test_the_database_is_taken_to_another_cluster_by_the_runbook(deployment: Deployment) -> None:
    """PostgreSQL is Debian's 15 in both streams: dnf's switch and the dump are tried, no more."""
    written = [write(deployment)]
    command = typed("Move to another PostgreSQL", deployment)
    refused = deployment.run(*command, "--yes", check=False)
    assert refused.status == 1
    assert f"the database is PostgreSQL 15 in {DATA} of the distribution" in refused.words
    deployment.host.run(script("Move to another PostgreSQL", 4), timeout=600)
    version = "rpm -q --qf '%{VERSION}' postgresql-server"
    assert deployment.host.run(version).stdout == "16.4"
    identity = "pg_controldata -D {} | grep 'system identifier'"
    before, now = (
        deployment.host.run(identity.format(one)).stdout for one in (f"{DATA}.before", DATA)
    )
    assert before != now
    deployment.deploy()
    assert deployment.deploy().changed == ()
    deployment.verify("--journey")
    all_there(deployment, written)


@pytest.mark.parametrize("power", [False, True], ids=["killed", "power cut"])
def test_a_cluster_that_was_half_made_is_made_anew(
    lab: Lab, release: Path, tmp_path: Path, power: bool
) -> None:
    host = lab.up("struck", suite="el9")
    try:
        deployment = _described(lab, host, tmp_path, release)
        assert strike(deployment, Blow("PostgreSQL | its cluster exists", 0.6, power))
        deployment.deploy()
        assert deployment.deploy().changed == ()
        deployment.verify()
    finally:
        lab.down(host)
