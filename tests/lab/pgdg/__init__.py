"""A repository in the shape of PGDG's for Enterprise Linux, made on a Debian host of the lab.

Debian's PostgreSQL 15, which is also what the packages say, in PGDG's paths, units and with a setup
program that takes what PGDG's takes. Signed by a key of its own: ``deploy`` makes a deploy that
expects that one, and is the site's otherwise.
"""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

from mattermost_host.certificates.authority import new_authority, new_leaf
from tests.lab.hosts import Lab, LabHost
from tests.lab.shell import wait_until

MAJOR = 15
SERVER = "download.postgresql.org"
FOLDER = Path(__file__).parent
BUILD = """set -e
cd /root/pgdg
export DEBIAN_FRONTEND=noninteractive GNUPGHOME=/root/pgdg/gnupg
apt-get -qq update
apt-get -qq -y install --no-install-recommends rpm createrepo-c gnupg >/dev/null
mkdir -m 700 gnupg; mkdir attributes payload
apt-get -qq download -o APT::Sandbox::User=root postgresql-15 postgresql-client-15
for package in *.deb; do dpkg-deb -x $package payload; done
printf '%%__none_path ^/nowhere$\\n' > attributes/none.attr
# Files as they are: what rpm would find out of them are Debian's libraries, and build ids.
rpmbuild -bb --quiet --define '_topdir /root/pgdg/rpm' --define 'dist .el9' \\
  --define 'payload /root/pgdg/payload' --define 'ours /root/pgdg' \\
  --define '_buildshell /bin/bash' --define 'debug_package %{nil}' \\
  --define '__os_install_post %{nil}' \\
  --define '_fileattrsdir /root/pgdg/attributes' \\
  --define '_binary_payload w1.zstdio' --define '_build_id_links none' postgresql15.spec
gpg --batch -q --passphrase '' --quick-generate-key 'PGDG of the lab' rsa3072 sign never
root=/srv/pub/repos/yum
target=$root/15/redhat/rhel-9-$(uname -m)
mkdir -p $root/keys $target
mv rpm/RPMS/*/*.rpm $target/
rpm --define '__gpg /usr/bin/gpg' --define '_gpg_name PGDG of the lab' \\
  --addsign $target/*.rpm >/dev/null </dev/null
createrepo_c --quiet $target
for name in PGDG-RPM-GPG-KEY-RHEL PGDG-RPM-GPG-KEY-AARCH64-RHEL; do
  gpg --batch --armor --export > $root/keys/$name
done
gpg --batch --with-colons --list-keys | sed -n 's/^fpr:*\\([0-9A-F]*\\):/fingerprint=\\1/p'
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
DEPLOY = """import runpy
from dataclasses import replace

from mattermost_host.knowledge.families import ENTERPRISE_LINUX

keys = ENTERPRISE_LINUX.pgdg.keys
keys.update({{name: replace(key, fingerprint="{fingerprint}") for name, key in keys.items()}})
runpy.run_path("deploys/site.py")
"""


def serve(lab: Lab) -> tuple[str, str]:
    """Make and serve it in the lab; the key's fingerprint, and the authority of its HTTPS."""
    host = lab.up("pgdg")
    host.run("mkdir /root/pgdg")
    for file in (FOLDER / "files").iterdir():
        host.write(f"/root/pgdg/{file.name}", file.read_text(encoding="utf-8"))
    said = host.run("sh", stdin=BUILD, timeout=600).stdout
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


def trust(host: LabHost, authority: str) -> None:
    """Let a host of Enterprise Linux believe the repository that it is the real one."""
    host.write("/etc/pki/ca-trust/source/anchors/pgdg.pem", authority)
    host.run("update-ca-trust")


def deploy(folder: Path, fingerprint: str) -> Path:
    """A deploy file that is deploys/site.py with the key of this repository."""
    file = folder / "with_pgdg.py"
    file.write_text(DEPLOY.format(fingerprint=fingerprint), encoding="utf-8")
    return file
