"""The spine: install, a second run, verification, edits by hand, on Debian 12 and 13."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.lab import commands
from tests.lab.deployment import Deployment
from tests.lab.hosts import Lab
from tests.lab.shell import wait_until

POSTGRESQL = {"bookworm": "postgresql@15-main.service", "trixie": "postgresql@17-main.service"}
SERVER, PROXY, FIREWALL = "mattermost.service", "nginx.service", "mattermost-firewall.service"
ENVIRONMENT = "/etc/mattermost-host/mattermost.env"
SITE = "/etc/nginx/conf.d/mattermost.conf"
PSQL = "cd / && runuser -u postgres -- psql -XAtq"


@dataclass(frozen=True)
class Edit:
    """What somebody did by hand, which operation is to name it, and how one sees it is undone."""

    command: str
    repaired_by: str
    holds: str
    """A command that succeeds only where the edit is not."""


@dataclass(frozen=True)
class Day:
    """Edits that one run finds, and the units that have to be started anew for them."""

    edits: tuple[Edit, ...]
    restarted: frozenset[str] = field(default=frozenset())


FILES_AND_ACCOUNTS = Day(
    (
        Edit(
            f"sed -i 's/^MM_LOG_PATH=.*/MM_LOG_PATH=/' {ENVIRONMENT}; chmod 644 {ENVIRONMENT}",
            "Mattermost | folders, settings and unit are in place",
            "tr '\\0' '\\n' < /proc/$(systemctl show -p MainPID --value mattermost)/environ "
            f"| grep -qx MM_LOG_PATH=/var/log/mattermost && [ $(stat -c %a {ENVIRONMENT}) = 640 ]",
        ),
        Edit(
            "chmod 777 /var/lib/mattermost/data",
            "Mattermost | folders, settings and unit are in place",
            "[ $(stat -c %a /var/lib/mattermost/data) = 750 ]",
        ),
        Edit(
            "echo '[Service]' > /etc/systemd/system/mattermost.service",
            "Mattermost | folders, settings and unit are in place",
            "systemctl cat mattermost | grep -q ProtectSystem=strict",
        ),
        Edit(
            "usermod --shell /bin/bash mattermost",
            "Mattermost | the account mattermost exists",
            "getent passwd mattermost | grep -q nologin",
        ),
        Edit(
            "rm /opt/mattermost/current",
            "Mattermost | release",
            "/opt/mattermost/current/bin/mattermost version",
        ),
        Edit(
            f"sed -i 's/max-age=63072000/max-age=60/' {SITE}; systemctl reload nginx",
            "NGINX | the tested configuration is in place",
            "curl -sSkI --resolve {name}:443:127.0.0.1 https://{name} | grep -q max-age=63072000",
        ),
        Edit(
            "ln -s ../sites-available/default /etc/nginx/sites-enabled/default",
            "NGINX | the tested configuration is in place",
            "[ ! -e /etc/nginx/sites-enabled/default ]",
        ),
        Edit(
            "chmod 644 /etc/mattermost-host/tls/privkey.pem",
            "TLS | certificate and key are in place",
            "[ $(stat -c %a /etc/mattermost-host/tls/privkey.pem) = 600 ]",
        ),
    ),
    # The server has read none of it: what it read is there again.
)

DATABASE_AND_KERNEL = Day(
    (
        Edit(
            f"{PSQL} -c 'alter role mattermost createdb'",
            "PostgreSQL | role, database and schema belong to Mattermost",
            f"{PSQL} -c \"select 1 from pg_roles where rolname = 'mattermost' and rolcreatedb\" "
            "| grep -c . | grep -qx 0",
        ),
        Edit(
            f"{PSQL} -c 'alter database mattermost owner to postgres'",
            "PostgreSQL | role, database and schema belong to Mattermost",
            f'{PSQL} -c "select pg_get_userbyid(datdba) from pg_database where datname='
            "'mattermost'\" | grep -qx mattermost",
        ),
        Edit(
            f"{PSQL} -c \"alter system set shared_buffers = '16MB'\"",
            "PostgreSQL | role, database and schema belong to Mattermost",
            "! grep -s shared_buffers /var/lib/postgresql/*/main/postgresql.auto.conf",
        ),
        Edit(
            "echo 'host all all all trust' > $(ls /etc/postgresql/*/main/pg_hba.conf)",
            "PostgreSQL | settings and access rules are in place",
            f"{PSQL} -c 'select count(*) from pg_hba_file_rules where type <> $$local$$' "
            "| grep -qx 0",
        ),
        Edit(
            "sysctl -qw net.core.somaxconn=128",
            "Base | kernel parameters are active",
            "[ $(cat /proc/sys/net/core/somaxconn) = 4096 ]",
        ),
        Edit(
            "rm /etc/sysctl.d/60-mattermost-host.conf",
            "Base | kernel parameters are configured",
            "grep -q somaxconn /etc/sysctl.d/60-mattermost-host.conf",
        ),
        Edit(
            "apt-get purge -qy logrotate",
            "Base | basic packages are installed",
            "logrotate --version",
        ),
        Edit(
            "sed -i 's/^en_US/# en_US/' /etc/locale.gen",
            "Base | the locale en_US.UTF-8 is there",
            "grep -q '^en_US' /etc/locale.gen",
        ),
        Edit(
            "nft add rule inet mattermost_host input tcp dport 5432 accept",
            "Firewall | firewall rules are loaded",
            "! nft list table inet mattermost_host | grep -q 5432",
        ),
    ),
    frozenset({"postgresql"}),
)

UNITS = Day(
    (
        Edit(
            "systemctl disable --now mattermost",
            "Mattermost | the server is running",
            "systemctl -q is-active mattermost && systemctl -q is-enabled mattermost",
        ),
        Edit(
            "systemctl disable nginx",
            "NGINX | NGINX is running",
            "systemctl -q is-enabled nginx",
        ),
        Edit(
            "sed -i 's/^LimitNOFILE=.*/LimitNOFILE=512/' "
            "/etc/systemd/system/nginx.service.d/mattermost-host.conf",
            "NGINX | systemd sandbox and limits are in place",
            "! grep -q 'open files *512 ' /proc/$(systemctl show -p MainPID --value nginx)/limits"
            " && ! systemctl cat nginx | grep -q LimitNOFILE=512",
        ),
        Edit(
            "systemctl stop mattermost-firewall",
            "Firewall | firewall rules are loaded",
            "nft list table inet mattermost_host",
        ),
    ),
    # The proxy never ran with the limit of the edited file.
    frozenset({SERVER, FIREWALL}),
)


@pytest.fixture(scope="module", params=POSTGRESQL)
def deployment(
    request: pytest.FixtureRequest,
    lab: Lab,
    release: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Deployment]:
    """A site on a fresh host, deployed once."""
    host = lab.up(f"site-{request.param}", suite=request.param)
    made = Deployment(lab, host, tmp_path_factory.mktemp(request.param), release)
    made.deploy()
    yield made


def test_second_run_changes_nothing(deployment: Deployment) -> None:
    before = _invocations(deployment)
    assert deployment.deploy().changed == ()
    assert _invocations(deployment) == before


def test_verification_passes_with_the_journey(deployment: Deployment) -> None:
    assert "the administrator logs in" in deployment.verify("--journey").output


@pytest.mark.parametrize(
    "day",
    [
        pytest.param(FILES_AND_ACCOUNTS, id="files-and-accounts"),
        pytest.param(DATABASE_AND_KERNEL, id="database-and-kernel"),
        pytest.param(UNITS, id="units"),
    ],
)
def test_edits_by_hand_are_named_and_repaired(deployment: Deployment, day: Day) -> None:
    before = _invocations(deployment)
    for edit in day.edits:
        deployment.host.run(edit.command)
        assert not _holds(deployment, edit), f"no edit, so no proof: {edit.command}"
    changed = deployment.deploy().changed
    for edit in day.edits:
        named = [name for name in changed if name.startswith(edit.repaired_by)]
        assert named, f"{edit.command}: named by none of {changed}"
        assert _holds(deployment, edit), f"still there: {edit.command}"
    after = _invocations(deployment)
    assert {unit for unit in before if after[unit] != before[unit]} == _restarted(deployment, day)
    assert deployment.deploy().changed == ()
    deployment.wait_healthy()


def test_verification_sends_two_commands(deployment: Deployment) -> None:
    commands.count(deployment.host)
    before = commands.sent(deployment.host)
    deployment.verify()
    # The counting is a command itself. What a run would change is asked once the facts are known.
    assert commands.sent(deployment.host) - before - 1 == 2


def test_postgresql_restarts_and_stops_without_us(deployment: Deployment) -> None:
    host, before = deployment.host, deployment.started(SERVER)
    host.run("systemctl restart postgresql")
    deployment.wait_healthy()
    host.run("systemctl stop postgresql")
    wait_until(lambda: deployment.status() == 500, 30, "the server tells that its database is gone")
    host.run("systemctl start postgresql")
    deployment.wait_healthy()
    assert deployment.started(SERVER) == before, "the server outlives its database"


def test_host_comes_back_after_a_reboot(deployment: Deployment) -> None:
    assert deployment.host.reboot() == "running"
    deployment.wait_healthy()
    deployment.verify()
    assert deployment.deploy().changed == ()


def _holds(deployment: Deployment, edit: Edit) -> bool:
    command = edit.holds.replace("{name}", deployment.name)
    return deployment.host.run(command, check=False).returncode == 0


def _invocations(deployment: Deployment) -> dict[str, str]:
    units = (POSTGRESQL[deployment.host.suite], SERVER, PROXY, FIREWALL, "ssh.service")
    return deployment.started(*units)


def _restarted(deployment: Deployment, day: Day) -> set[str]:
    named = {"postgresql": POSTGRESQL[deployment.host.suite]}
    return {named.get(unit, unit) for unit in day.restarted}
