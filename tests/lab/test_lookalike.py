"""The look-alike of Enterprise Linux itself: what it promises is there."""

import re

import pytest

from tests.lab.hosts import Lab, LabHost

INITDB = "--data-checksums --locale=en_US.UTF-8 --encoding=UTF8"


@pytest.fixture(scope="module")
def fresh(lab: Lab) -> LabHost:
    """A host on which nothing was installed."""
    return lab.up("fresh", suite="el9")


@pytest.fixture(scope="module")
def served(lab: Lab) -> LabHost:
    """A host with the database and the web server of module streams."""
    host = lab.up("served", suite="el9")
    host.run("dnf -y module enable postgresql:16 nginx:1.24")
    host.run("dnf -y install postgresql-server nginx nginx-mod-stream glibc-langpack-en")
    host.run(f"PGSETUP_INITDB_OPTIONS='{INITDB}' postgresql-setup --initdb")
    host.run("systemctl start postgresql nginx")
    return host


def out(host: LabHost, command: str, user: str = "root") -> str:
    return host.run(command, user=user).stdout.strip()


def test_it_says_that_it_is_a_look_alike(fresh: LabHost) -> None:
    release = fresh.read("/etc/os-release")
    for line in ('ID="rocky"', 'VERSION_ID="9.4"', 'PLATFORM_ID="platform:el9"'):
        assert line in release
    assert 'VARIANT="look-alike"' in release
    assert out(fresh, "systemctl is-system-running") == "running"
    assert out(fresh, "getenforce") == "Enforcing"


def test_nothing_of_debian_is_left_to_work_with(fresh: LabHost) -> None:
    for tool in ("apt-get", "apt-cache", "dpkg", "dpkg-query", "adduser", "update-rc.d", "tar"):
        assert fresh.run(f"command -v {tool}", check=False).returncode != 0, tool
    assert out(fresh, "readlink -f /bin/sh") == "/usr/bin/bash"
    assert out(fresh, "ls -A /etc/apt /var/lib/dpkg /etc/init.d 2>/dev/null || :") == ""
    assert fresh.run("getent passwd www-data _apt", check=False).stdout == ""
    assert fresh.run("getent group shadow sudo nogroup", check=False).stdout == ""
    assert set(out(fresh, "locale -a").split()) == {"C", "C.utf8", "POSIX"}


def test_its_users_log_in_as_there(fresh: LabHost) -> None:
    assert "(wheel)" in out(fresh, "id", user="admin")
    assert out(fresh, "sudo -n id -u", user="admin") == "0"
    assert out(fresh, "sudo -n printenv PATH", user="admin") == "/sbin:/bin:/usr/sbin:/usr/bin"
    assert out(fresh, "systemctl is-active sshd.service") == "active"
    assert fresh.run("systemctl cat ssh.service", check=False).returncode != 0


def test_rpm_knows_the_base_system(fresh: LabHost) -> None:
    packages = "glibc systemd openssh-server bash coreutils sudo firewalld chrony rocky-release"
    assert len(out(fresh, f"rpm -q {packages}").splitlines()) == len(packages.split())
    assert out(fresh, "rpm -qf --qf '%{NAME}' /usr/bin/bash") == "bash"
    missing = fresh.run("rpm -q nginx", check=False)
    assert (missing.returncode, missing.stdout.strip()) == (1, "package nginx is not installed")


def test_dnf_lists_the_streams_and_offers_the_package_outside_of_them(fresh: LabHost) -> None:
    listed = out(fresh, "dnf -q module list")
    rows = set(re.findall(r"^(\S+) +(\S+) ", listed, re.M))
    assert {
        ("postgresql", "15"),
        ("postgresql", "16"),
        ("nginx", "1.22"),
        ("nginx", "1.24"),
    } <= rows
    offered = out(fresh, "dnf -q repoquery --qf '%{version}' postgresql-server")
    assert offered == "13.16"
    assert "epel" not in out(fresh, "dnf -q repolist --all")


def test_a_rule_of_the_firewall_reaches_the_kernel(fresh: LabHost) -> None:
    zone = out(fresh, "firewall-cmd --zone=public --list-services")
    assert set(zone.split()) == {"ssh", "cockpit", "dhcpv6-client"}
    assert "8065" not in out(fresh, "nft list ruleset")
    fresh.run("firewall-cmd --permanent --zone=public --add-port=8065/tcp")
    assert "8065" not in out(fresh, "nft list ruleset")
    fresh.run("firewall-cmd --reload")
    assert "tcp dport 8065" in out(fresh, "nft list ruleset")
    fresh.run("firewall-cmd --zone=public --add-port=9999/tcp")
    assert "tcp dport 9999" in out(fresh, "nft list ruleset")
    assert "9999" not in out(fresh, "firewall-cmd --permanent --zone=public --list-ports")


def test_packages_bring_units_that_do_not_start_by_themselves(served: LabHost) -> None:
    assert out(served, "rpm -q --qf '%{VERSION}' postgresql-server") == "16.4"
    assert out(served, "rpm -q --qf '%{VERSION}' nginx") == "1.24.0"
    state = served.run("systemctl is-enabled postgresql nginx", check=False).stdout.split()
    assert state == ["disabled", "disabled"]
    enabled = out(served, "dnf -q module list --enabled")
    assert re.search(r"^postgresql +16 \[e\]", enabled, re.M)


def test_the_database_is_where_enterprise_linux_has_it(served: LabHost) -> None:
    assert out(served, "id -u postgres; id -g postgres").split() == ["26", "26"]
    ask = "su - postgres -c 'psql -Atc \"show {}\"'"
    assert out(served, ask.format("data_directory")) == "/var/lib/pgsql/data"
    assert out(served, ask.format("data_checksums")) == "on"
    assert out(served, ask.format("lc_collate")) == "en_US.UTF-8"
    assert out(served, ask.format("unix_socket_directories")) == "/var/run/postgresql, /tmp"
    again = served.run("postgresql-setup --initdb", check=False)
    assert again.returncode == 1
    assert "ERROR: Data directory /var/lib/pgsql/data is not empty!" in again.stderr
    create = "su - postgres -c 'psql -c \"create extension pg_trgm\"'"
    assert served.run(create, check=False).returncode != 0
    served.run("dnf -y -q install postgresql-contrib")
    assert out(served, create) == "CREATE EXTENSION"


def test_the_web_server_is_where_enterprise_linux_has_it(served: LabHost) -> None:
    assert out(served, "curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1/") == "200"
    assert out(served, "stat -c '%a %U %G' /var/log/nginx") == "711 root root"
    workers = out(served, "ps -C nginx -o user= --sort=pid").split()
    assert workers[0] == "root" and set(workers[1:]) == {"nginx"}
    assert "ngx_stream_module.so" in out(served, "nginx -T 2>/dev/null")
