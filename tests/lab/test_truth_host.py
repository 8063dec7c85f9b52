"""The plan tells the truth of the host: firewall, accounts, packages, links, the kernel."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr

from mattermost_host.certificates.authority import Pair, new_leaf
from mattermost_host.ops.state_files import STATE
from tests.lab.deployment import Deployment
from tests.lab.hosts import Lab
from tests.lab.truth import FIREWALL, MATTERMOST, heals, plan, tampering


@pytest.fixture(scope="module")
def deployment(
    lab: Lab, release: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    made = Deployment(lab, lab.up("truth-host"), tmp_path_factory.mktemp("truth-host"), release)
    made.deploy()
    yield made


DATA = f"{STATE}/data"
TABLE = {"table inet mattermost_host"}
TAMPERINGS = {
    "a firewall rule added at run time": tampering(
        "nft add rule inet mattermost_host input tcp dport 5432 accept", TABLE
    ),
    "a firewall rule removed at run time": tampering(
        "nft flush chain inet mattermost_host forward; "
        "nft delete rule inet mattermost_host input handle $(nft -a list table inet "
        "mattermost_host | sed -n 's/.*icmp type echo-request.*handle //p' | head -n 1)",
        TABLE,
    ),
    "another policy of the input chain": tampering(
        "nft add chain inet mattermost_host input '{ policy accept; }'", TABLE
    ),
    "a firewall table that is gone": tampering("nft delete table inet mattermost_host", TABLE),
    "a firewall that is switched off": tampering(f"systemctl disable --now {FIREWALL}", TABLE),
    "a drop-in for the firewall": tampering(
        f"mkdir -p /run/systemd/system/{FIREWALL}.d; "
        f"printf '[Service]\\nExecStart=\\nExecStart=/bin/true\\n' "
        f"> /run/systemd/system/{FIREWALL}.d/x.conf",
        {f"{FIREWALL} is overridden by /run/systemd/system/{FIREWALL}.d/x.conf"},
    ),
    "a firewall that is masked": tampering(
        f"systemctl mask --runtime {FIREWALL}", {f"/run/systemd/system/{FIREWALL}"}
    ),
    "a shell for the account": tampering(
        "usermod --shell /bin/bash mattermost", {"the account mattermost has shell /bin/bash"}
    ),
    "the account in a group that may do more": tampering(
        "usermod -aG sudo mattermost", {"the account mattermost is in sudo"}
    ),
    "a password for the account": tampering(
        "echo mattermost:Let-me-in-1 | chpasswd", {"the account mattermost has a password"}
    ),
    "an account that needs no password": tampering(
        "passwd -q -d mattermost", {"the account mattermost has a password"}
    ),
    "PostgreSQL's account as administrator": tampering(
        "usermod -aG sudo postgres", {"the account postgres is in sudo"}
    ),
    "a shell and a password for NGINX's account": tampering(
        "usermod --shell /bin/bash www-data; echo www-data:Let-me-in-1 | chpasswd",
        {"the account www-data has shell /bin/bash and has a password"},
    ),
    "a package removed": tampering(
        "DEBIAN_FRONTEND=noninteractive apt-get -y -q remove logrotate",
        {"logrotate is not installed"},
    ),
    "the link to the release moved": tampering(
        "cp -r $(readlink -f /opt/mattermost/current) /opt/mattermost/releases/other; "
        "ln -sfn releases/other /opt/mattermost/current",
        {"/opt/mattermost/current leads to releases/other"},
        MATTERMOST,
    ),
    "a kernel parameter": tampering(
        "sysctl -qw net.core.somaxconn=128", {"net.core.somaxconn is 128"}
    ),
    "a folder that others may read": tampering(
        "chmod 755 /var/lib/mattermost/data", {"/var/lib/mattermost/data has mode 755"}
    ),
    "folders of the system that let nobody through": tampering(
        "chmod 700 /opt /var/lib", {"/opt has mode 700", "/var/lib has mode 700"}
    ),
    "root's configuration of the server": tampering(
        "chown root:root /var/lib/mattermost/config/config.json",
        {"/var/lib/mattermost/config/config.json belongs to root:root"},
    ),
    "uploads that root restored": tampering(
        f"mkdir -p {DATA}/20260101/teams/deep; echo x >{DATA}/20260101/teams/deep/file; "
        f"chown -R root:root {DATA}/20260101; chmod -R go= {DATA}/20260101",
        {f"{DATA}/20260101 belongs to root instead of mattermost"},
    ),
    "an upload that the server can't read": tampering(
        f"install -o mattermost -g mattermost -m 000 /etc/hostname {DATA}/closed",
        {f"{DATA}/closed has mode 0: mattermost can't use it"},
    ),
    "a set-uid program among the plugins": tampering(
        f"install -o mattermost -g mattermost -m 4755 /bin/true {STATE}/plugins/program",
        {f"{STATE}/plugins/program has mode 4755: whoever runs it gets mattermost's rights"},
    ),
    "a log that root began": tampering(
        "touch /var/log/mattermost/audit.log",
        {"/var/log/mattermost/audit.log belongs to root instead of mattermost"},
    ),
    "garbage in the hashes of the release": tampering(
        "echo garbage | tee -a /opt/mattermost/manifests/*/sha256",
        {"has a manifest that is not as it was written"},
    ),
    "another digest of the tarball": tampering(
        "sha256sum </dev/null >$(echo /opt/mattermost/manifests/*/tarball)",
        {"has a manifest that is not as it was written"},
    ),
    "the default site back": tampering(
        "ln -s ../sites-available/default /etc/nginx/sites-enabled/default",
        {"/etc/nginx/sites-enabled/default exists, but should not"},
    ),
}


@pytest.mark.parametrize("what", TAMPERINGS)
def test_of_the_host(deployment: Deployment, what: str) -> None:
    heals(deployment, TAMPERINGS[what])


@pytest.mark.parametrize(
    ("besides", "named"),
    [
        ("true", set()),
        ("echo >>/opt/mattermost/current/NOTICE.txt", {"NOTICE.txt has another content"}),
    ],
    ids=["alone", "beside another difference"],
)
def test_capabilities_of_a_program_of_the_release_are_taken_away(
    deployment: Deployment, besides: str, named: set[str]
) -> None:
    """They are in no list of files; only that it was touched is."""
    python = (
        "import os, sys; path = '/opt/mattermost/current/bin/mmctl'; "
        "setuid = bytes.fromhex('0100000280000000' + '0' * 24); "
        "sys.argv[1:] and os.setxattr(path, 'security.capability', setuid); "
        "print(os.listxattr(path))"
    )
    told = f'python3 -c "{python}"'
    assert "security.capability" in deployment.host.run(f"{told} set").stdout
    touched = {"bin/mmctl was touched since it was unpacked"}
    heals(deployment, tampering(besides, touched | named))
    assert "security.capability" not in deployment.host.run(told).stdout


def test_a_second_account_with_the_server_s_number_is_refused_by_name(
    deployment: Deployment,
) -> None:
    deployment.host.run("useradd -o -u $(id -u mattermost) evil")
    told = plan(deployment)
    assert "the account mattermost has the same number as evil" in told.found
    run = deployment.deploy(check=False)
    assert "give evil another one" in run.words
    # userdel refuses while processes run by its number; those are the server's.
    deployment.host.run("userdel -f evil; getent passwd mattermost")
    assert plan(deployment).status == 0


def test_a_table_that_drops_our_ports_is_told_and_left_alone(deployment: Deployment) -> None:
    chain = "{ type filter hook input priority 10; policy accept; }"
    deployment.host.run(
        f"nft add table inet other; nft add chain inet other c '{chain}'; "
        "nft add rule inet other c iif != lo tcp dport 8443 drop; "
        "nft add rule inet other c tcp dport 443 drop"
    )
    said = deployment.run("mattermost-host", "plan", str(deployment.inventory), check=False)
    assert "chain c of table inet other drops 443/tcp" in said.words
    assert said.status == 0
    seen = deployment.run("mattermost-host", "verify", str(deployment.inventory), check=False)
    assert "chain c of table inet other drops 443/tcp" in seen.words
    deployment.host.run("nft list table inet other; nft delete table inet other")


def test_a_link_among_the_uploads_is_told_and_left_alone(deployment: Deployment) -> None:
    deployment.host.run(f"ln -s /etc {DATA}/link")
    inventory = str(deployment.inventory)
    for command in ("plan", "verify"):
        said = deployment.run("mattermost-host", command, inventory, check=False)
        assert f"{DATA}/link is a symbolic link" in said.words
        assert said.status == 0, said.output
    assert deployment.deploy().changed == ()
    deployment.host.run(f"test -L {DATA}/link; rm {DATA}/link")


def test_a_file_that_has_two_names_is_never_given_away(deployment: Deployment) -> None:
    deployment.host.run(f"install -m 600 /etc/hostname {STATE}/mine; ln {STATE}/mine {DATA}/mine")
    assert f"{DATA}/mine belongs to root" in plan(deployment).found
    run = deployment.deploy(check=False)
    assert "has a second name (a hard link)" in run.words
    shown = deployment.host.run(f"stat -c %U {STATE}/mine; rm {STATE}/mine {DATA}/mine")
    assert shown.stdout.split() == ["root"]
    assert plan(deployment).status == 0


def test_rules_of_iptables_legacy_are_told_and_left_alone(deployment: Deployment) -> None:
    deployment.host.run("DEBIAN_FRONTEND=noninteractive apt-get -y -q install iptables")
    rules = "INPUT -p tcp --dport 443 -j DROP"
    made = deployment.host.run(f"iptables-legacy -A {rules}", check=False)
    if made.returncode:
        pytest.skip("this machine's kernel has no iptables-legacy")
    deployment.host.run("iptables-legacy -I INPUT -p tcp --dport 443 -i lo -j ACCEPT")
    inventory = str(deployment.inventory)
    told = deployment.run("mattermost-host", "plan", inventory, check=False)
    assert "chain INPUT of table ip filter of iptables-legacy drops 443/tcp" in told.words
    assert "2 rules of iptables-legacy" in told.words
    seen = deployment.run("mattermost-host", "verify", inventory, check=False)
    assert "chain INPUT of table ip filter of iptables-legacy drops 443/tcp" in seen.words
    assert deployment.deploy().changed == ()
    deployment.host.run(f"iptables-legacy -C {rules}; iptables-legacy -F")
    after = deployment.run("mattermost-host", "plan", inventory, check=False)
    assert "iptables-legacy" not in after.words


def test_another_valid_certificate(deployment: Deployment) -> None:
    """From the site's own authority, for the site's own name: valid, and not the described one."""
    stored = deployment.secrets["authority"]
    key = SecretStr(deployment.authority_key.read_text(encoding="utf-8"))
    authority = Pair(certificate=stored["certificate"], key=key)
    other = new_leaf(authority, [deployment.name], datetime.now(UTC))
    deployment.host.write("/etc/mattermost-host/tls/fullchain.pem", other.certificate)
    deployment.host.write("/etc/mattermost-host/tls/privkey.pem", other.key.get_secret_value())
    heals(deployment, tampering("true", {"/etc/mattermost-host/tls/fullchain.pem"}))


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
    told = plan(deployment)
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
