"""A repository in the shape of PGDG's for Enterprise Linux, made on a Debian host of the lab.

Debian's PostgreSQL 15, which is also what the packages say, in PGDG's paths, units and with a setup
program that takes what PGDG's takes; beside it PostgreSQL 14, which is Ubuntu's: its programs run
with Debian 12's libraries. Signed by a key of its own: ``deploys`` makes deploys that expect it,
and are the site's otherwise.
"""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mattermost_host.certificates.authority import new_authority, new_leaf
from tests.lab import apt
from tests.lab.hosts import Lab, LabHost
from tests.lab.shell import wait_until

MAJOR, BEFORE = 15, 14
SERVER = "download.postgresql.org"
FOLDER = Path(__file__).parent
PREPARE = """set -e
cd /root/pgdg
export DEBIAN_FRONTEND=noninteractive GNUPGHOME=/root/pgdg/gnupg
apt-get -qq update
apt-get -qq -y install --no-install-recommends rpm createrepo-c gnupg >/dev/null
mkdir -m 700 gnupg; mkdir attributes
printf '%%__none_path ^/nowhere$\\n' > attributes/none.attr
gpg --batch -q --passphrase '' --quick-generate-key 'PGDG of the lab' rsa3072 sign never
root=/srv/pub/repos/yum
mkdir -p $root/keys
for name in PGDG-RPM-GPG-KEY-RHEL PGDG-RPM-GPG-KEY-AARCH64-RHEL; do
  gpg --batch --armor --export > $root/keys/$name
done
gpg --batch --with-colons --list-keys | sed -n 's/^fpr:*\\([0-9A-F]*\\):/fingerprint=\\1/p'
"""
UBUNTU = "http://archive.ubuntu.com/ubuntu"
WITH_UBUNTU = f"""set -e
cp /root/pgdg/trixie.list /etc/apt/sources.list.d/
apt-get -qq update
cd /root/pgdg
apt-get -qq download -o APT::Sandbox::User=root ubuntu-keyring/trixie
dpkg-deb -x ubuntu-keyring*.deb keyring && rm ubuntu-keyring*.deb
cp keyring/usr/share/keyrings/ubuntu-archive-keyring.gpg /usr/share/keyrings/
signed="signed-by=/usr/share/keyrings/ubuntu-archive-keyring.gpg"
for suite in jammy jammy-updates; do echo "deb [$signed] {UBUNTU} $suite main"; done \\
  >/etc/apt/sources.list.d/trixie.list
apt-get -qq update -o APT::Update::Error-Mode=any
"""
BUILD = """set -e
export GNUPGHOME=/root/pgdg/gnupg
mkdir -p /root/pgdg/debs-$MAJOR; cd /root/pgdg/debs-$MAJOR
apt-get -qq download -o APT::Sandbox::User=root \\
  postgresql-$MAJOR postgresql-client-$MAJOR $LIBRARIES
number=$(dpkg-deb -f postgresql-$MAJOR*.deb Version | sed 's/[^0-9.].*//')
for package in *.deb; do dpkg-deb -x $package ../payload-$MAJOR; done
cd ..
# Files as they are: what rpm would find out of them are Debian's libraries, and build ids.
rpmbuild -bb --quiet --define '_topdir /root/pgdg/rpm' --define 'dist .el9' \\
  --define "payload /root/pgdg/payload-$MAJOR" --define 'ours /root/pgdg' \\
  --define "major $MAJOR" --define "number $number" \\
  --define '_buildshell /bin/bash' --define 'debug_package %{nil}' \\
  --define '__os_install_post %{nil}' \\
  --define '_fileattrsdir /root/pgdg/attributes' \\
  --define '_binary_payload w1.zstdio' --define '_build_id_links none' postgresql.spec
target=/srv/pub/repos/yum/$MAJOR/redhat/rhel-9-$(uname -m)
mkdir -p $target
mv rpm/RPMS/*/*.rpm $target/
rpm --define '__gpg /usr/bin/gpg' --define '_gpg_name PGDG of the lab' \\
  --addsign $target/*.rpm >/dev/null </dev/null
createrepo_c --quiet $target
"""
SERVE = """
import functools, http.server, ssl
handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory="/srv")
server = http.server.ThreadingHTTPServer(("", 443), handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("/root/pgdg/own.crt", "/root/pgdg/own.key")
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"""
DEPLOYS = ("site.py", "upgrade_postgresql.py", "rollback_postgresql.py")
DEPLOY = """import runpy
from dataclasses import replace

from mattermost_host.knowledge.families import ENTERPRISE_LINUX

keys = ENTERPRISE_LINUX.pgdg.keys
keys.update({{name: replace(key, fingerprint="{fingerprint}") for name, key in keys.items()}})
runpy.run_path("deploys/{name}")
"""


COMMAND = """
import sys
from pathlib import Path
from mattermost_host.cli import entry
from mattermost_host.plan import plan
folder = Path(sys.argv.pop(1))
for name in ("DEPLOY", "UPGRADE_POSTGRESQL", "ROLLBACK_POSTGRESQL"):
    setattr(plan, name, folder / getattr(plan, name).name)
entry.main()
"""
"""Our command with the deploys of a folder."""


def serve(lab: Lab, *, with_another: bool = False) -> tuple[str, str]:
    """Make and serve it in the lab; the key's fingerprint, and the authority of its HTTPS.

    ``with_another``: PostgreSQL 14, too.
    """
    host = lab.up("pgdg")
    host.run("mkdir /root/pgdg")
    said = host.run("sh", stdin=PREPARE, timeout=600).stdout
    _build(host, MAJOR)
    if with_another:
        host.write("/root/pgdg/trixie.list", apt.sources("trixie"))
        if host.run("sh", stdin=WITH_UBUNTU, timeout=600, check=False).returncode:
            pytest.skip(f"no test host reaches {UBUNTU}, which has PostgreSQL {BEFORE}")
        _build(host, BEFORE, "libicu70")
    authority = new_authority("the lab's PGDG", datetime.now(UTC) - timedelta(minutes=1))
    own = new_leaf(authority, [SERVER], datetime.now(UTC))
    host.write("/root/pgdg/own.crt", own.certificate)
    host.write("/root/pgdg/own.key", own.key.get_secret_value())
    host.write("/root/pgdg/serve.py", SERVE)
    host.run("systemd-run -q --unit=serve python3 /root/pgdg/serve.py")
    wait_until(lambda: ":443 " in host.run("ss -Hltn").stdout, 30, "the repository is served")
    lab.resolve(SERVER, host)
    found = re.search(r"fingerprint=(\w{40})", said)
    assert found, said
    return found[1], authority.certificate


def _build(host: LabHost, major: int, libraries: str = "") -> None:
    """The packages of a major version, with Debian's or Ubuntu's ``libraries`` in them."""
    for file in (FOLDER / "files").iterdir():
        name, text = (
            one.replace("@MAJOR@", str(major)) for one in (file.name, file.read_text("utf-8"))
        )
        host.write(f"/root/pgdg/{name}", text)
    words = f"MAJOR={major} LIBRARIES={libraries}\n"
    host.run("sh", stdin=words + BUILD, timeout=600)


def trust(host: LabHost, authority: str) -> None:
    """Let a host of Enterprise Linux believe the repository that it is the real one."""
    host.write("/etc/pki/ca-trust/source/anchors/pgdg.pem", authority)
    host.run("update-ca-trust")


def deploys(folder: Path, fingerprint: str) -> Path:
    """A folder of deploys that are the site's with the key of this repository."""
    made = folder / "with_pgdg"
    made.mkdir()
    for name in DEPLOYS:
        text = DEPLOY.format(fingerprint=fingerprint, name=name)
        (made / name).write_text(text, encoding="utf-8")
    return made
