"""A site leaves its host, with its data kept, and comes back with every post and file."""

import re
import shlex
from pathlib import Path

from tests.lab.deployment import Deployment
from tests.lab.hosts import Lab
from tests.lab.kept import post_with_file, read_back
from tests.lab.runbook import typed

FOREIGN = ("/etc/mattermost-host/note", "/opt/mattermost/note", "/etc/nginx/conf.d/mine.conf")
DIGESTS = (
    "find /var/lib/mattermost /srv/backup -path '*/archive' -prune -o"
    " -type f -printf '%p %u ' -exec sha256sum {} \\; | sort"
)
"""Without the archive, which grows until PostgreSQL stops."""
OURS = "find /etc /usr/local /opt /var/lib/mattermost-host -iname '*mattermost*' | sort"
LEFT = ["/etc/mattermost-host", "/opt/mattermost", "/var/lib/mattermost-host"]
STATES = "for unit in mattermost nginx postgresql@15-main; do systemctl is-active $unit; done"


def test_a_site_leaves_and_comes_back(lab: Lab, release: Path, tmp_path: Path) -> None:
    host = lab.up("leaving")
    site = Deployment(lab, host, tmp_path, release, backup={"to": "/srv/backup"})
    site.deploy()
    kept = post_with_file(site)
    for path in FOREIGN:
        host.write(path, "# the operator's\n")
    before = host.run(DIGESTS).stdout

    command = typed("Uninstall", site)
    host.run(
        "mkdir -p /opt/mattermost/upgrade; echo step=switches >/opt/mattermost/upgrade/journal"
    )
    refused = site.run(*command, "--yes", check=False)
    assert (refused.status, "was cut off at the step switches" in refused.words) == (1, True)
    assert "Nothing was removed" in refused.words
    assert site.status() == 200
    host.run("rm -r /opt/mattermost/upgrade")
    said = site.run(*command, "--yes")
    assert "The site was removed" in said.words
    assert "Kept: the database" in said.words
    assert host.run(STATES, check=False).stdout.split() == ["inactive"] * 3
    assert host.run(OURS).stdout.split() == LEFT
    assert "mattermost_host" not in host.run("nft list tables").stdout
    assert "Written by" not in host.run("cat /etc/nginx/nginx.conf").stdout
    host.run("nginx -t")
    assert host.run(DIGESTS).stdout == before
    for path in FOREIGN:
        assert host.run(f"cat {path}").stdout == "# the operator's\n"

    site.run("mattermost-host", "preflight", str(site.inventory))
    assert "There is nothing to remove" in site.run(*command).words
    host.reboot()
    assert host.run(STATES, check=False).stdout.split() == ["inactive"] * 3

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
