"""Servers that somebody else installed on the look-alike of Enterprise Linux 9 are adopted.

With PostgreSQL of a module stream, and of the PostgreSQL project; as the vendor's instructions have
it, NGINX is of no module, and firewalld's zone opens the ports.
"""

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.lab import pgdg
from tests.lab.adopting import STATE, adopted, built, is_ours, state_release, took_over
from tests.lab.deployment import BIN
from tests.lab.doors import PLAN
from tests.lab.foreign import HOME, Adopted, Foreign, adopt
from tests.lab.hosts import Lab, LabHost
from tests.lab.shell import wait_until

OTHERS = "nginx tar glibc-langpack-en"
# The locale that such hosts are installed with, in /etc/locale.conf.
OPTIONS = "export PGSETUP_INITDB_OPTIONS='--auth-host=scram-sha-256 --locale=en_US.UTF-8'"
OPENED = """firewall-cmd -q --permanent --add-service=http --add-service=https
firewall-cmd -q --reload"""
OF_STREAM = f"""set -e
dnf -y -q module enable postgresql:15
dnf -y -q install postgresql-server postgresql-contrib {OTHERS}
{OPTIONS}
postgresql-setup --initdb
systemctl enable -q --now postgresql nginx
{OPENED}
"""
REPOSITORY = f"""[pgdg15]
name=PostgreSQL 15
baseurl=https://{pgdg.SERVER}/pub/repos/yum/15/redhat/rhel-9-$basearch
gpgcheck=1
gpgkey=https://{pgdg.SERVER}/pub/repos/yum/keys/PGDG-RPM-GPG-KEY-RHEL
"""
OF_PROJECT = f"""set -e
dnf -y -q module disable postgresql
dnf -y -q install postgresql15-server postgresql15-contrib {OTHERS}
{OPTIONS}
/usr/pgsql-15/bin/postgresql-15-setup initdb
systemctl enable -q --now postgresql-15 nginx
{OPENED}
"""
ACCESS = "/var/lib/pgsql/data/pg_hba.conf"
OURS = f"{HOME} /var/lib/mattermost /etc/mattermost-host /etc/systemd/system/mattermost.service"


class WithKeyOfLab(Adopted):
    """Its deploy expects the key of the lab's repository."""

    def command(self, *arguments: str) -> list[str]:
        """The same, with that deploy."""
        if arguments[0] != "mattermost-host":
            return super().command(*arguments)
        return [str(BIN / "python"), "-c", PLAN, self.deploys, *arguments[1:]]


@pytest.fixture(scope="module")
def tarballs(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """The stand-in, and one that takes no posts."""
    return built(tmp_path_factory.mktemp("releases"))


def _installed(lab: Lab, host: LabHost, folder: Path, packages: str, release: Path) -> Foreign:
    old = Foreign(lab, host, folder)
    old.database(packages)
    old.tarball(release, unit="/etc/systemd/system")
    old.proxied("/etc/nginx/conf.d/mattermost.conf")
    old.start()
    # As that of Enterprise Linux does: files keep the type of where they were made.
    host.run(f"restorecon -R {HOME}")
    return old


def _has_its_types(host: LabHost) -> None:
    assert host.run(f"ls -Zd {HOME}.before-*/config").stdout.split(":")[2] == "usr_t"
    assert host.run(f"restorecon -nvR {OURS}").stdout == ""


def test_with_a_database_of_a_stream(
    lab: Lab, tarballs: Mapping[str, Path], tmp_path: Path
) -> None:
    host = lab.up("el", suite="el9")
    old = _installed(lab, host, tmp_path, OF_STREAM, tarballs["sound"])
    written = [old.write()]
    of_tree = host.run(f"stat -c '%a %U:%G' {HOME}").stdout
    site = adopted(old, tarballs["sound"])
    right = site.inventory.read_text()
    assert "\"postgres\": {'version': 15}," in right
    _is_refused_without_access(old, site)
    state_release(site, tarballs["broken"])
    said = took_over(site, check=False)
    assert "The old server serves again, as before: a user could not post: HTTP/1.1 500" in said
    wait_until(lambda: old.status() == 200, 30, "users reach it again")
    old.all_there(*written)
    written.append(old.write())
    assert host.run(f"stat -c '%a %U:%G' {HOME}").stdout == of_tree
    site.inventory.write_text(right)
    took_over(site)
    is_ours(site, old, written)
    _has_its_types(host)


def _is_refused_without_access(old: Foreign, site: Adopted) -> None:
    """As both commands say; the old server is not touched."""
    host = old.host
    host.run(f"sed -i.kept '1i local all all reject' {ACCESS}; systemctl reload postgresql")
    before = host.run(STATE).stdout
    status, said = adopt(old, None, "without")
    assert status == 0
    wanted = "at port 5432 does not answer to the account postgres"
    assert wanted in " ".join(said.split())
    assert "Next: mend the errors above; then cd without" in said
    assert wanted in took_over(site, check=False)
    assert host.run(STATE).stdout == before
    assert old.status() == 200
    host.run(f"mv {ACCESS}.kept {ACCESS}; systemctl reload postgresql")


def test_with_a_database_of_the_postgresql_project(
    lab: Lab, tarballs: Mapping[str, Path], tmp_path: Path
) -> None:
    fingerprint, authority = pgdg.serve(lab)
    host = lab.up("pgdgel", suite="el9")
    pgdg.trust(host, authority)
    host.write("/etc/yum.repos.d/pgdg-redhat-all.repo", REPOSITORY)
    old = _installed(lab, host, tmp_path, OF_PROJECT, tarballs["sound"])
    written = [old.write()]
    adopted(old, tarballs["sound"])
    site = WithKeyOfLab(old, tmp_path / "site")
    assert "\"postgres\": {'version': 15, 'pgdg': True}," in site.inventory.read_text()
    site.deploys = str(pgdg.deploys(tmp_path, fingerprint) / "site.py")
    took_over(site)
    is_ours(site, old, written)
    _has_its_types(host)
