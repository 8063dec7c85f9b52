"""Sandboxes of PostgreSQL, NGINX and the backups on a real host: they hold, and all goes on."""

import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.deployment import Deployment
from tests.lab.hosts import Lab, LabHost
from tests.lab.kept import post_with_file, read_back
from tests.lab.shell import wait_until

POSTGRES = "postgresql@15-main.service"
DROP_IN = f"/etc/systemd/system/{POSTGRES}.d/mattermost-host.conf"
DATA = "/var/lib/postgresql/15/main"
PSQL = "cd / && runuser -u postgres -- psql -XAtq"
HIGHEST = {
    POSTGRES: 2.0,
    "nginx.service": 3.0,
    "mattermost.service": 1.5,
    "mattermost-backup.service": 2.0,
    "mattermost-backup-database.service": 2.0,
    "mattermost-backup-dump.service": 2.0,
    "mattermost-backup-drill.service": 2.0,
}


@pytest.fixture(scope="module")
def site(lab: Lab, release: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    folder = tmp_path_factory.mktemp("sandbox")
    made = Deployment(lab, lab.up("sandbox"), folder, release, backup={"to": "/srv/backup"})
    made.deploy()
    yield made


def _sql(host: LabHost, statement: str, *, check: bool = True) -> str:
    done = host.run(f"{PSQL} -c {shlex.quote(statement)} 2>&1", check=check)
    return done.stdout.strip()


def _in_backend(host: LabHost, command: str) -> str:
    """What a shell command says that PostgreSQL itself runs for a superuser."""
    said = f"{DATA}/said"
    _sql(host, f"COPY (SELECT 1) TO PROGRAM $x$ exec >{said} 2>&1; {command} $x$", check=False)
    return host.run(f"cat {said}; rm {said}").stdout.strip()


def _starts(host: LabHost, unit: str) -> int:
    shown = host.run(f"journalctl -u {unit} -o cat --no-pager").stdout.splitlines()
    return sum(line.startswith("Started ") for line in shown)


def _archived(host: LabHost) -> str:
    """The segment that was written to last, once it is in the archive."""
    _sql(host, "CREATE TABLE IF NOT EXISTS waste (t text); INSERT INTO waste VALUES (1)")
    segment = _sql(host, "SELECT pg_walfile_name(pg_switch_wal())")
    wait_until(
        lambda: _sql(host, "SELECT last_archived_wal FROM pg_stat_archiver") >= segment,
        90,
        f"{segment} is archived",
    )
    return segment


def test_a_second_run_changes_nothing_and_the_verification_holds(site: Deployment) -> None:
    assert site.deploy().changed == ()
    site.verify("--journey")


@pytest.mark.parametrize("unit", HIGHEST)
def test_exposure(site: Deployment, unit: str) -> None:
    shown = site.host.run(f"systemd-analyze security --no-pager {unit}").stdout
    assert float(shown.split("Overall exposure level")[1].split(":")[1].split()[0]) <= HIGHEST[unit]


@pytest.mark.parametrize("folder", ["/etc/open", "/srv/open", "/home/open", "/var/lib/open"])
def test_postgresql_writes_nowhere_else_even_where_everybody_may(
    site: Deployment, folder: str
) -> None:
    site.host.run(f"mkdir -p -m 777 {folder}; runuser -u postgres -- touch {folder}/outside")
    said = _in_backend(site.host, f"touch {folder}/inside")
    assert "Read-only file system" in said or "Permission denied" in said, said
    assert site.host.run(f"ls {folder}").stdout.split() == ["outside"]


TRACE = "import ctypes; print(ctypes.CDLL(None).ptrace(0, 0, 0, 0))"
CONNECT = "import socket; print(socket.create_connection(('127.0.0.1', 8065), 5))"
RUN_WRITTEN = "import mmap; mmap.mmap(-1, 4096, prot=mmap.PROT_WRITE | mmap.PROT_EXEC)"


@pytest.mark.parametrize(
    ("command", "said", "outside"),
    [
        ("unshare --user true", "Operation not permitted", ""),
        (f"python3 -c {shlex.quote(TRACE)}", "-1", "0"),
        (f"python3 -c {shlex.quote(CONNECT)}", "Connection refused", "laddr"),
        (f"python3 -c {shlex.quote(RUN_WRITTEN)}", "not permitted", ""),
        ("ls -d /proc/1", "No such file", "/proc/1"),
        ("ls -d /sys/module /dev/net", "/dev/net", ""),
    ],
)
def test_what_a_superuser_of_the_database_can_not_do(
    site: Deployment, command: str, said: str, outside: str
) -> None:
    assert said in _in_backend(site.host, command)
    if outside:
        assert outside in site.host.run(f"cd /; runuser -u postgres -- {command} 2>&1").stdout


def test_the_process_has_no_capability_and_gets_none(site: Deployment) -> None:
    status = dict(
        line.split(":", 1) for line in _in_backend(site.host, "cat /proc/self/status").splitlines()
    )
    assert {name: status[name].strip() for name in ("CapBnd", "NoNewPrivs", "Seccomp")} == {
        "CapBnd": "0" * 16,
        "NoNewPrivs": "1",
        "Seccomp": "2",
    }


def test_it_archives_and_is_backed_up(site: Deployment) -> None:
    failed = "SELECT failed_count FROM pg_stat_archiver"
    before = _sql(site.host, failed)
    _archived(site.host)
    assert _sql(site.host, failed) == before
    site.host.run("systemctl start mattermost-backup mattermost-backup-drill")
    assert site.deploy().changed == ()


def test_it_comes_back_with_the_host(site: Deployment) -> None:
    site.host.reboot()
    site.wait_healthy()
    test_exposure(site, POSTGRES)
    assert site.deploy().changed == ()


def test_a_crash_of_a_backend_is_recovered_from(site: Deployment) -> None:
    site.host.run(
        f"{PSQL} -c 'SELECT pg_sleep(60)' & sleep 2; pkill -KILL -f 'SELECT$'; wait; true"
    )
    site.wait_healthy()
    assert site.host.run(f"systemctl is-active {POSTGRES}").stdout.strip() == "active"


def test_rotated_logs_are_written_to(site: Deployment) -> None:
    site.host.run(
        "logrotate -f /etc/logrotate.d/nginx; logrotate -f /etc/logrotate.d/postgresql-common"
    )
    site.wait_healthy()
    wait_until(
        lambda: "/api/v4/" in site.host.read("/var/log/nginx/access.log"), 30, "NGINX logs again"
    )
    _sql(site.host, "SELECT nothing", check=False)
    assert "nothing" in site.host.run("cat /var/log/postgresql/postgresql-15-main.log").stdout
    site.host.run(f"systemctl reload nginx {POSTGRES}")
    assert site.deploy().changed == ()


def test_a_tablespace_on_a_disk_of_its_own(site: Deployment) -> None:
    host = site.host
    host.run(
        "mkdir -p /srv/ts && mount -t tmpfs -o size=64m disk /srv/ts && chown postgres: /srv/ts"
    )
    # What is mounted while it runs is open to it until its next start.
    host.run(f"systemctl restart {POSTGRES}")
    made = "CREATE TABLESPACE apart LOCATION '/srv/ts'"
    assert "Read-only file system" in _sql(host, made, check=False)
    site.site["postgres"] = {"folders": ["/srv/ts"]}
    site.write()
    before = _starts(host, POSTGRES)
    site.deploy()
    assert _starts(host, POSTGRES) == before + 1
    _sql(host, made)
    _sql(host, "CREATE TABLE apart (t text) TABLESPACE apart; INSERT INTO apart VALUES ('there')")
    assert site.deploy().changed == ()

    site.site["postgres"] = {}
    site.write()
    plan = site.run("mattermost-host", "plan", str(site.inventory), check=False)
    assert plan.status != 0
    assert "PostgreSQL has data in /srv/ts, where its sandbox lets it only read" in plan.words
    assert site.deploy(check=False).status != 0
    assert _starts(host, POSTGRES) == before + 1
    assert _sql(host, "INSERT INTO apart VALUES ('more') RETURNING t") == "more"
    site.site["postgres"] = {"folders": ["/srv/ts"]}
    site.write()
    assert site.deploy().changed == ()


def test_tablespaces_are_drilled_beside_the_site_and_restored(site: Deployment) -> None:
    """One of them is younger than the backup: the drill makes it again, and not in its place."""
    host = site.host
    site.site["postgres"] = {"folders": ["/srv/ts", "/srv/later"]}
    site.write()
    host.run("install -d -o postgres /srv/later")
    site.deploy()
    host.run("systemctl start mattermost-backup")
    _sql(host, "CREATE TABLESPACE later LOCATION '/srv/later'")
    _sql(host, "CREATE TABLE later (t text) TABLESPACE later; INSERT INTO later VALUES ('too')")
    _archived(host)
    _sql(host, "VACUUM later")
    _sql(host, "CHECKPOINT")
    sums = "find /srv/ts /srv/later -type f -exec sha256sum {} + | sort"
    before = host.run(sums).stdout
    site.run("mattermost-host", "drill", str(site.inventory))
    assert host.run(sums).stdout == before
    assert host.run("ls /var/lib/mattermost-host").stdout.split() == ["backup"]

    for _ in range(2):  # the second one finds what the first one has left
        said = site.run("mattermost-host", "restore", str(site.inventory), "--yes").words
        assert "/srv/ts/PG_*.before-restore-" in said
        assert _sql(host, "SELECT apart.t, later.t FROM apart, later") == "there|too"
    kept = host.run("ls -d /srv/ts/PG_*.before-restore-* /srv/later/PG_*.before-restore-*")
    assert len(kept.stdout.split()) == 4
    assert site.deploy().changed == ()


def test_a_host_without_sandbox_gets_it_by_one_restart_and_keeps_everything(
    site: Deployment,
) -> None:
    host, kept = site.host, post_with_file(site)
    host.run(
        f"sed -i '/^# Debian.s pg_ctlcluster/,$d' {DROP_IN} && systemctl daemon-reload &&"
        f" systemctl restart {POSTGRES}"
    )
    site.wait_healthy()
    assert "User=" not in host.read(DROP_IN)
    before = site.started(POSTGRES, "nginx.service", "mattermost.service")
    starts = _starts(host, POSTGRES)
    site.run("mattermost-host", "apply", str(site.inventory), "--yes")
    after = site.started(POSTGRES, "nginx.service", "mattermost.service")
    assert {unit for unit in after if after[unit] != before[unit]} == {POSTGRES}
    assert _starts(host, POSTGRES) == starts + 1
    assert site.deploy().changed == ()
    read_back(site, kept)
    test_exposure(site, POSTGRES)


def test_another_disk_below_the_backups_is_archived_to(site: Deployment) -> None:
    """The sandbox follows what is mounted, so that nothing goes on to the disk of before."""
    for before in ("", "umount /srv/backup && "):
        site.host.run(f"{before}mount -t tmpfs -o size=512m disk /srv/backup")
        site.deploy()
        segment = _archived(site.host)
        found = site.host.run("find /srv/backup -path '*archive*' -type f -printf '%f\\n'").stdout
        assert any(line.startswith(segment) for line in found.splitlines()), found
        assert site.deploy().changed == ()
