"""A site leaves its host, with its data kept, and comes back with every post and file."""

from pathlib import Path

from tests.lab.deployment import Deployment
from tests.lab.hosts import Lab
from tests.lab.kept import post_with_file, read_back, typed

FOREIGN = ("/etc/mattermost-host/note", "/opt/mattermost/note", "/etc/nginx/conf.d/mine.conf")
DIGESTS = (
    "find /var/lib/mattermost /srv/backup -type f -printf '%p %u ' -exec sha256sum {} \\; | sort"
)
OURS = (
    "find /etc /usr/local /opt /var/lib/mattermost-host -iname '*mattermost*' "
    "-not -path '*/dpkg/*' | sort"
)
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
    assert (refused.status, "an upgrade that was cut off (switches)" in refused.words) == (1, True)
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
