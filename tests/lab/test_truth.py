"""The plan tells the truth: every kind of tampering is named, repaired, and disturbs nobody else.

The catalogue of files is not written here: it is what the components themselves put in place.
"""

import json
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from mattermost_host.certificates.authority import Pair, new_leaf
from mattermost_host.ops import files
from mattermost_host.ops.entries import Entry, File
from mattermost_host.plan import plan as planning
from mattermost_host.site.site import Site
from tests.lab.deployment import Deployment
from tests.lab.hosts import Lab

POSTGRES = "postgresql@15-main.service"
MATTERMOST, NGINX, FIREWALL = "mattermost.service", "nginx.service", "mattermost-firewall.service"
UNITS = (POSTGRES, MATTERMOST, NGINX)
MAY_RESTART = {
    "/etc/mattermost-host/mattermost": {MATTERMOST},
    "/etc/mattermost-host/tls": set(),
    "/etc/nginx": set(),
    "/etc/postgresql": {POSTGRES},
    "/etc/systemd/system/mattermost.service": {MATTERMOST},
    "/etc/systemd/system/nginx.service.d": {NGINX},
}
"""Whose restart a file is a reason for, by the beginning of its path; no other file is one."""


@pytest.fixture(scope="module")
def deployment(
    lab: Lab, release: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    made = Deployment(lab, lab.up("truth"), tmp_path_factory.mktemp("truth"), release)
    made.deploy()
    yield made


@dataclass(frozen=True)
class Told:
    """What `mattermost-host plan` said."""

    status: int
    subjects: frozenset[str]
    found: str
    interrupted: frozenset[str]


def _plan(deployment: Deployment) -> Told:
    file = deployment.inventory.with_name("plan.json")
    command = ("mattermost-host", "plan", str(deployment.inventory), "--json", str(file))
    status = deployment.run(*command, check=False).status
    hosts = json.loads(file.read_text(encoding="utf-8"))["hosts"]
    changes = [change for steps in hosts.values() for step in steps for change in step["changes"]]
    return Told(
        status,
        frozenset(change["subject"] for change in changes),
        "; ".join(f"{change['subject']} {change['found']}" for change in changes),
        frozenset(change["subject"] for change in changes if change["effect"] != "change"),
    )


def _heals(deployment: Deployment, names: set[str], may_restart: set[str]) -> None:
    """The plan names each, a run repairs all, nobody unrelated restarts, the plan is empty."""
    before = deployment.started(*UNITS)
    told = _plan(deployment)
    assert told.status == 2, "the plan saw nothing"
    unnamed = {name for name in names if name not in told.found}
    assert not unnamed, f"not named in: {told.found}"
    deployment.deploy()
    after = _plan(deployment)
    assert after.status == 0, after.found
    restarted = {unit for unit, id_ in deployment.started(*UNITS).items() if id_ != before[unit]}
    assert restarted <= may_restart, f"restarted for no reason: {restarted - may_restart}"


def _managed(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> list[File]:
    """Every file that a deploy of the site puts in place, from its own preparation."""
    entries: list[Entry] = []
    present = files.present

    def noting(name: str, **arguments: Any) -> Any:
        entries.extend(arguments["entries"])
        return present(name=name, **arguments)

    monkeypatch.setattr(files, "present", noting)
    planning.make(Site.use(deployment.inventory))
    return [entry for entry in entries if isinstance(entry, File)]


TAMPER = {
    "content": "echo '# by hand' >> {path}",
    "mode": "chmod 0646 {path}",
    "owner": "chown games:games {path}",
    "deletion": "rm {path}",
}


@pytest.mark.parametrize("kind", TAMPER)
@pytest.mark.parametrize(
    "place",
    ["/etc/sysctl.d", "/etc/postgresql", "/etc/mattermost-host", "/etc/systemd", "/etc/nginx"],
)
def test_each_managed_file(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch, place: str, kind: str
) -> None:
    every = _managed(deployment, monkeypatch)
    assert len(every) * len(TAMPER) >= 40, "the catalogue is smaller than it was promised"
    mine = [file.path for file in every if file.path.startswith(place)]
    assert mine, f"nothing of ours below {place}"
    deployment.host.run("; ".join(TAMPER[kind].format(path=shlex.quote(path)) for path in mine))
    allowed = {
        unit
        for path in mine
        for beginning, units in MAY_RESTART.items()
        if path.startswith(beginning)
        for unit in units
    }
    _heals(deployment, set(mine), allowed)


def _sql(statement: str, database: str = "postgres") -> str:
    return f"cd /; runuser -u postgres -- psql -q -d {database} -c {shlex.quote(statement)}"


OTHER = {
    "a drop-in beside ours": (
        "mkdir -p /etc/systemd/system/mattermost.service.d; "
        "printf '[Service]\\nNice=1\\n' > /etc/systemd/system/mattermost.service.d/x.conf",
        {"mattermost.service.d holds x.conf"},
        {MATTERMOST},
    ),
    "a unit file edited without reload": (
        "printf '[Service]\\nNice=1\\n' > /etc/systemd/system/nginx.service.d/x.conf",
        {"nginx.service.d holds x.conf"},
        {NGINX},
    ),
    "a server that is stopped": (f"systemctl stop {MATTERMOST}", {"does not run"}, {MATTERMOST}),
    "a proxy that is disabled": (f"systemctl disable {NGINX}", {"does not start at boot"}, set()),
    "a proxy that is masked": (
        f"systemctl stop {NGINX}; systemctl mask {NGINX}",
        {"is masked"},
        {NGINX},
    ),
    "a database that is stopped": (
        f"systemctl stop {POSTGRES}",
        {POSTGRES},
        {POSTGRES, MATTERMOST},
    ),
    "a process older than its file": (
        "touch /etc/mattermost-host/mattermost.env",
        {"runs since before /etc/mattermost-host/mattermost.env changed"},
        {MATTERMOST},
    ),
    "a firewall rule added at run time": (
        "nft add rule inet mattermost_host input tcp dport 5432 accept",
        {"table inet mattermost_host"},
        set(),
    ),
    "a firewall rule removed at run time": (
        "nft flush chain inet mattermost_host forward; "
        "nft delete rule inet mattermost_host input handle $(nft -a list table inet "
        "mattermost_host | sed -n 's/.*icmp type echo-request.*handle //p' | head -n 1)",
        {"table inet mattermost_host"},
        set(),
    ),
    "a firewall table that is gone": (
        "nft delete table inet mattermost_host",
        {"table inet mattermost_host"},
        set(),
    ),
    "a firewall that is switched off": (
        f"systemctl disable --now {FIREWALL}",
        {"table inet mattermost_host"},
        set(),
    ),
    "a shell for the account": (
        "usermod --shell /bin/bash mattermost",
        {"the account mattermost"},
        set(),
    ),
    "another owner of the database": (
        _sql("alter database mattermost owner to postgres"),
        {"the database mattermost belongs to postgres"},
        set(),
    ),
    "a role that may do more": (
        _sql("alter role mattermost createrole createdb"),
        {"the role mattermost has other rights"},
        set(),
    ),
    "a schema of somebody else": (
        _sql("alter schema public owner to postgres", "mattermost"),
        {"the schema public belongs to postgres"},
        set(),
    ),
    "a parameter by ALTER SYSTEM": (
        _sql("alter system set work_mem = '1MB'"),
        {"the parameter work_mem"},
        set(),
    ),
    "a parameter of the role": (
        _sql("alter role mattermost set work_mem = '1MB'"),
        {"ROLE mattermost has parameters of its own"},
        set(),
    ),
    "a parameter of the database": (
        _sql("alter database mattermost set work_mem = '1MB'"),
        {"DATABASE mattermost has parameters of its own"},
        set(),
    ),
    "another superuser": (
        _sql("create role evil superuser login"),
        {"the role evil is a superuser"},
        set(),
    ),
    "a drop-in below /run": (
        "mkdir -p /run/systemd/system/nginx.service.d; "
        "printf '[Service]\\nNice=1\\n' > /run/systemd/system/nginx.service.d/x.conf",
        {"nginx.service is overridden by /run/systemd/system/nginx.service.d/x.conf"},
        {NGINX},
    ),
    "a property set until the next boot": (
        f"systemctl set-property --runtime {POSTGRES} MemoryMax=2G",
        {f"{POSTGRES} is overridden by /run/systemd/system.control/{POSTGRES}.d/50-MemoryMax.conf"},
        {POSTGRES, MATTERMOST},
    ),
    "a drop-in for every service": (
        "mkdir -p /etc/systemd/system/service.d; "
        "printf '[Service]\\nNice=1\\n' > /etc/systemd/system/service.d/x.conf",
        {"is overridden by /etc/systemd/system/service.d/x.conf"},
        {POSTGRES, MATTERMOST, NGINX},
    ),
    "a mask below /run": (
        f"systemctl mask --runtime {NGINX}",
        {"is masked by /run/systemd/system/nginx.service"},
        set(),
    ),
    "a unit file that shadows the package's": (
        "mkdir -p /usr/local/lib/systemd/system; "
        "cp /lib/systemd/system/nginx.service /usr/local/lib/systemd/system/",
        {"nginx.service is overridden by /usr/local/lib/systemd/system/nginx.service"},
        {NGINX},
    ),
    "the account in a group that may do more": (
        "usermod -aG sudo mattermost",
        {"groups mattermost sudo"},
        set(),
    ),
    "a password for the account": (
        "echo mattermost:Let-me-in-1 | chpasswd",
        {"a password"},
        set(),
    ),
    "a process that may open fewer files": (
        f"prlimit --pid $(systemctl show -p MainPID --value {MATTERMOST}) --nofile=1024:1024",
        {"may open fewer files than its unit says"},
        {MATTERMOST},
    ),
    "another mode of a folder of drop-ins": (
        "chmod 700 /etc/systemd/system/nginx.service.d",
        {"nginx.service.d has mode 700"},
        set(),
    ),
    "a package removed": (
        "DEBIAN_FRONTEND=noninteractive apt-get -y -q remove logrotate",
        {"logrotate is not installed"},
        set(),
    ),
    "the link to the release moved": (
        "cp -r $(readlink -f /opt/mattermost/current) /opt/mattermost/releases/other; "
        "ln -sfn releases/other /opt/mattermost/current",
        {"/opt/mattermost/current leads to releases/other"},
        {MATTERMOST},
    ),
    "a kernel parameter": (
        "sysctl -qw net.core.somaxconn=128",
        {"net.core.somaxconn is 128"},
        set(),
    ),
    "a folder that others may read": (
        "chmod 755 /var/lib/mattermost/data",
        {"/var/lib/mattermost/data has mode 755"},
        set(),
    ),
    "the default site back": (
        "ln -s ../sites-available/default /etc/nginx/sites-enabled/default",
        {"/etc/nginx/sites-enabled/default is there"},
        set(),
    ),
}


@pytest.mark.parametrize("what", OTHER)
def test_each_other_kind(deployment: Deployment, what: str) -> None:
    tampering, names, may_restart = OTHER[what]
    deployment.host.run(tampering)
    _heals(deployment, names, may_restart)


def test_another_valid_certificate(deployment: Deployment) -> None:
    """From the site's own authority, for the site's own name: valid, and not the described one."""
    stored = deployment.secrets["authority"]
    authority = Pair(certificate=stored["certificate"], key=stored["key"])
    other = new_leaf(authority, [deployment.name], datetime.now(UTC))
    deployment.host.write("/etc/mattermost-host/tls/fullchain.pem", other.certificate)
    deployment.host.write("/etc/mattermost-host/tls/privkey.pem", other.key.get_secret_value())
    _heals(deployment, {"/etc/mattermost-host/tls/fullchain.pem"}, set())


def test_everything_holds_after_all_that(deployment: Deployment) -> None:
    run = deployment.run("mattermost-host", "apply", "--yes", str(deployment.inventory))
    assert "Nothing had to be changed, and everything holds" in run.output


def test_what_is_not_ours_is_no_drift(deployment: Deployment) -> None:
    """Console settings, uploaded files, other people's sites, other people's drop-ins."""
    deployment.host.run(
        'sed -i \'s/"MaxUsersPerTeam": *[0-9]*/"MaxUsersPerTeam": 77/\' '
        "/var/lib/mattermost/config/config.json; "
        "install -o mattermost -g mattermost -m 600 /etc/hostname /var/lib/mattermost/data/upload; "
        "printf 'server { listen 127.0.0.1:8099; server_name other.test; }\\n' "
        "> /etc/nginx/sites-enabled/other; "
        "echo '# theirs' > /etc/sysctl.d/99-theirs.conf; "
        "mkdir -p /etc/systemd/system/cron.service.d; "
        "printf '[Service]\\nNice=1\\n' > /etc/systemd/system/cron.service.d/theirs.conf"
    )
    told = _plan(deployment)
    assert told.status == 0, told.found
    assert deployment.deploy().changed == ()
    theirs = "grep -c 77 /var/lib/mattermost/config/config.json; ls /etc/nginx/sites-enabled/other"
    assert deployment.host.run(theirs).returncode == 0


def test_a_host_that_does_not_answer_is_not_no_drift(deployment: Deployment, lab: Lab) -> None:
    lab.crash(deployment.host)
    command = ("mattermost-host", "plan", str(deployment.inventory))
    run = deployment.run(*command, check=False)
    lab.start(deployment.host)
    assert run.status == 1
    assert deployment.host.address in run.output
    assert "Traceback" not in run.output
