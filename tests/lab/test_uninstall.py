"""A site leaves its host, with its data kept, and comes back with every post and file."""

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.lab.deployment import Deployment
from tests.lab.hosts import Lab, LabHost
from tests.lab.kept import post_with_file, read_back
from tests.lab.runbook import typed

FOREIGN = ("/etc/mattermost-host/note", "/opt/mattermost/note", "/etc/nginx/conf.d/mine.conf")
OURS = "find /etc /usr/local /opt /var/lib/mattermost-host -iname '*mattermost*' 2>/dev/null | sort"


@dataclass(frozen=True)
class System:
    """What differs between the distributions."""

    database: str
    """The cluster's unit."""
    rules: str
    """Command that prints the names of what the firewall has."""
    left: tuple[str, ...]
    settings: Mapping[str, Any]

    @property
    def states(self) -> str:
        units = f"mattermost nginx {self.database}"
        return f"for unit in {units}; do systemctl is-active $unit; done"


SYSTEMS: Mapping[str, System] = {
    "bookworm": System(
        "postgresql@15-main",
        "nft list tables",
        ("/etc/mattermost-host", "/opt/mattermost", "/var/lib/mattermost-host"),
        {"backup": {"to": "/srv/backup"}},
    ),
    "el9": System(
        "postgresql",
        "firewall-cmd --get-policies; firewall-cmd --permanent --get-policies",
        ("/etc/mattermost-host", "/opt/mattermost"),
        {"postgres": {"version": 15}},
    ),
}
MINE = "/srv/mine(/.*)?"
"""A rule of SELinux of the operator's."""
OF_SELINUX = "semanage fcontext -l -C -n; semanage port -l -C -n; getsebool httpd_can_network_relay"


def _digests(site: Deployment) -> str:
    """Of all data, without the archive, which grows until PostgreSQL stops."""
    return site.host.run(
        "find /var/lib/mattermost /srv/backup -path '*/archive' -prune -o"
        " -type f -printf '%p %u ' -exec sha256sum {} \\; 2>/dev/null | sort"
    ).stdout


def _refused_while_cut_off(site: Deployment, command: list[str]) -> None:
    site.host.run(
        "mkdir -p /opt/mattermost/upgrade; echo step=switches >/opt/mattermost/upgrade/journal"
    )
    refused = site.run(*command, "--yes", check=False)
    assert (refused.status, "was cut off at the step switches" in refused.words) == (1, True)
    assert "Nothing was removed" in refused.words
    assert site.status() == 200
    site.host.run("rm -r /opt/mattermost/upgrade")


def _nothing_is_left(host: LabHost, system: System) -> None:
    assert host.run(system.states, check=False).stdout.split() == ["inactive"] * 3
    assert tuple(host.run(OURS).stdout.split()) == system.left
    assert "mattermost" not in host.run(system.rules).stdout
    assert "Written by" not in host.run("cat /etc/nginx/nginx.conf").stdout
    host.run("nginx -t")
    for path in FOREIGN:
        assert host.run(f"cat {path}").stdout == "# the operator's\n"


def _selinux_is_as_before(host: LabHost) -> None:
    said = host.run(OF_SELINUX).stdout.splitlines()
    assert [line.split()[0] for line in said if line.strip()] == [
        MINE,
        "httpd_can_network_relay",
    ], said
    assert said[-1].endswith("off")
    assert host.run("rpm -V nginx-core", check=False).stdout == ""
    wrong = host.run("restorecon -nvR /var/lib/mattermost /opt/mattermost").stdout
    assert wrong == ""


@pytest.mark.parametrize("suite", SYSTEMS)
def test_a_site_leaves_and_comes_back(lab: Lab, release: Path, tmp_path: Path, suite: str) -> None:
    system = SYSTEMS[suite]
    host = lab.up(f"leaving-{suite}", suite=suite)
    site = Deployment(lab, host, tmp_path, release, **system.settings)
    site.deploy()
    kept = post_with_file(site)
    for path in FOREIGN:
        host.write(path, "# the operator's\n")
    if suite == "el9":
        host.run(f"semanage fcontext -a -t etc_t '{MINE}'")
    before = _digests(site)
    assert "/var/lib/mattermost/" in before

    command = typed("Uninstall", site)
    _refused_while_cut_off(site, command)
    said = site.run(*command, "--yes")
    assert "The site was removed" in said.words
    assert "Kept: the database" in said.words
    assert "stays: no deploy noted" not in said.words
    _nothing_is_left(host, system)
    assert _digests(site) == before
    if suite == "el9":
        _selinux_is_as_before(host)

    site.run("mattermost-host", "preflight", str(site.inventory))
    assert "There is nothing to remove" in site.run(*command).words
    host.reboot()
    assert host.run(system.states, check=False).stdout.split() == ["inactive"] * 3

    site.deploy()
    site.wait_healthy()
    read_back(site, kept)
    site.verify()
    assert site.deploy().changed == ()


def test_data_is_deleted_where_it_is_named_and_others_keep_theirs(
    lab: Lab, release: Path, tmp_path: Path
) -> None:
    host = lab.up("erased")
    host.run("mkdir -p /srv/uploads /var/lib/mattermost/data /srv/backup/lost")
    host.run("mount --bind /srv/uploads /var/lib/mattermost/data")
    host.write("/srv/backup/lost/note", "of another site\n")
    site = Deployment(lab, host, tmp_path, release, backup={"to": "/srv/backup"})
    site.deploy()
    post_with_file(site)
    host.write("/opt/mattermost/note", "# the operator's\n")
    host.run("setpriv --reuid=postgres --clear-groups createdb reports")

    command = ("mattermost-host", "uninstall", str(site.inventory))
    wrong = site.run(*command, "--delete", "uploads,files,all", "--yes", check=False)
    assert wrong.status == 1
    assert [name in wrong.words for name in ('"uploads"', '"all"', '"files"')] == [
        True,
        True,
        False,
    ]
    host.run("ln -s /srv /srv/backup/mattermost-host/database/elsewhere")
    runbook = typed("Uninstall", site, 1)
    assert site.run(*runbook, check=False, typed="n\n").status == 1
    assert site.status() == 200
    said = site.run(*runbook, "--yes")
    assert re.search(r"/var/lib/mattermost/data \(\d+ MB\) is deleted for good", said.words)
    assert "PostgreSQL 15/main stays: it has also the database reports" in said.words
    assert "Deleted for good: database, files, backups." in said.words
    assert host.run(
        "find /srv /var/lib/mattermost /var/log/mattermost | sort", check=False
    ).stdout.split() == [
        "/srv",
        "/srv/backup",
        "/srv/backup/lost",
        "/srv/backup/lost/note",
        "/srv/uploads",
        "/var/lib/mattermost",
        "/var/lib/mattermost/data",
    ]
    assert host.run("getent passwd mattermost", check=False).stdout == ""
    assert host.run("cat /opt/mattermost/note").stdout == "# the operator's\n"
    host.run("pg_ctlcluster 15 main start")
    names = "SELECT string_agg(datname, ' ' ORDER BY datname) FROM pg_database"
    asked = f"setpriv --reuid=postgres --clear-groups psql -At -c {shlex.quote(names)}"
    assert host.run(asked).stdout.split() == ["postgres", "reports", "template0", "template1"]
    host.run("setpriv --reuid=postgres --clear-groups dropdb reports; pg_ctlcluster 15 main stop")
    assert "There is nothing to remove" in site.run(*command).words

    # A cluster that is the site's alone goes as a whole, also where PostgreSQL is stopped already.
    gone = site.run(*command, "--delete", "database", "--yes")
    assert "PostgreSQL 15/main is deleted" in gone.words
    host.run("test ! -e /etc/postgresql/15/main -a ! -e /var/lib/postgresql/15/main")
    assert host.run(OURS).stdout.split() == ["/opt/mattermost"]
    assert "There is nothing to remove" in site.run(*command, "--delete", "database,files").words

    site.run("mattermost-host", "preflight", str(site.inventory))
    site.deploy()
    site.wait_healthy()
    site.verify()
    assert site.deploy().changed == ()
