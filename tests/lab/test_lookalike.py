"""The look-alike of Enterprise Linux itself: what it promises is there."""

import re

import pytest

from tests.lab.el9 import states
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
        ("nginx", "1.26"),
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


def test_semanage_keeps_rules_and_refuses_what_the_policy_does_not_know(served: LabHost) -> None:
    assert served.run("command -v semanage", check=False).returncode != 0
    served.run("dnf -y -q install policycoreutils-python-utils")
    path = "/opt/of-ours(/.*)?"
    served.run(f"semanage fcontext -a -t httpd_sys_content_t '{path}'")
    assert path in out(served, "semanage fcontext -l -C")
    for wrong, said in (
        (
            f"fcontext -a -t httpd_sys_content_t '{path}'",
            f"File context for {path} already defined",
        ),
        ("fcontext -a -t nonsense_t /opt/x", "Type nonsense_t is invalid"),
        ("port -a -t nonsense_t -p tcp 8065", "Type nonsense_t is invalid"),
        ("boolean -m --on nonsense", "Boolean nonsense is not defined"),
    ):
        refused = served.run(f"semanage {wrong}", check=False)
        assert refused.returncode == 1
        assert said in refused.stderr
    served.run("semanage port -a -t http_port_t -p tcp 8065")
    assert re.search(r"^http_port_t +tcp +8065$", out(served, "semanage port -l -C"), re.M)
    served.run(f"semanage fcontext -d '{path}'")
    assert path not in out(served, "semanage fcontext -l -C")


def test_labels_are_real_and_restorecon_puts_them_right(served: LabHost) -> None:
    assert out(served, "stat -c %C /usr/bin/bash") == "system_u:object_r:shell_exec_t:s0"
    assert out(served, "matchpathcon -n /var/lib/pgsql/data").split(":")[2] == "postgresql_db_t"
    served.run("mkdir /opt/new && touch /opt/new/file")
    assert out(served, "restorecon -Rnv /opt/new") == ""
    served.run("chcon -t etc_t /opt/new/file")
    wrong = out(served, "restorecon -Rnv /opt/new")
    assert re.search(r"^Would relabel /opt/new/file from \S+:etc_t:s0 to \S+:usr_t:s0$", wrong)
    assert served.run("matchpathcon -V /opt/new/file", check=False).returncode == 1
    assert "Relabeled /opt/new/file" in out(served, "restorecon -Rv /opt/new")
    assert out(served, "restorecon -Rnv /opt/new") == ""


def test_booleans_run_and_are_configured_apart(served: LabHost) -> None:
    ask = "getsebool httpd_can_network_connect"
    assert out(served, ask) == "httpd_can_network_connect --> off"
    served.run("setsebool httpd_can_network_connect on")
    assert out(served, ask).endswith("on")
    assert "httpd_can_network_connect" not in out(served, "semanage boolean -l -C")
    served.run("setsebool -P httpd_can_network_connect on")
    assert "httpd_can_network_connect" in out(served, "semanage boolean -l -C")
    refused = served.run("setsebool -P nonsense on", check=False)
    assert (refused.returncode, refused.stderr.strip()) == (1, "Boolean nonsense is not defined")


def test_epel_is_a_package_of_its_own(served: LabHost) -> None:
    assert served.run("dnf -y -q install certbot", check=False).returncode != 0
    served.run("dnf -y -q install epel-release")
    served.run("dnf -y -q install certbot")
    assert out(served, "certbot --version").startswith("certbot ")
    assert (
        served.run("systemctl is-enabled certbot-renew.timer", check=False).stdout == "disabled\n"
    )


def test_states_that_an_administrator_left(lab: Lab) -> None:
    host = lab.up("left", suite="el9")
    host.run("dnf -y -q module install nginx:1.26/common")
    assert "nginx/1.26." in host.run("nginx -v 2>&1 && nginx -t").stdout
    states.choose_stream(host, "postgresql:15")
    other = host.run("dnf -y module enable postgresql:16", check=False)
    assert other.returncode == 1
    assert "not possible to switch enabled streams of a module" in other.stderr
    for mode in ("permissive", "disabled", "enforcing"):
        states.set_selinux(host, mode)
        assert out(host, "getenforce") == mode.capitalize()
    states.stop_firewalld(host)
    assert host.run("firewall-cmd --state", check=False).returncode == 252
    assert "table inet firewalld" not in out(host, "nft list ruleset")
    states.replace_firewalld(host)
    assert "table inet own" in out(host, "nft list ruleset")
    states.identify(host, "almalinux")
    assert 'ID="almalinux"' in host.read("/etc/os-release")
    states.unregister(host)
    assert 'ID="rhel"' in host.read("/etc/os-release")
    nothing = host.run("dnf -y install tar", check=False)
    assert nothing.returncode == 1
    assert "not registered with an entitlement server" in nothing.stderr
    assert "There are no enabled repositories" in nothing.stderr
