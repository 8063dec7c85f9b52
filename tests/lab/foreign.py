"""Servers that somebody else installed: by the vendor's instructions, its package, its Omnibus."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mattermost_host.verify.api_client import Client, trust
from tests.host.outside import resolving
from tests.lab.deployment import BIN, Deployment
from tests.lab.hosts import Lab, LabHost
from tests.lab.runbook import replaced, script
from tests.lab.shell import wait_until
from tests.lab.upgrades import Written, read_by, written_by

ADMIN, PASSWORD = "first.admin", "Sup3r-secret-of-the-old-one"
DB_PASSWORD = "mostest/of+all"
DSN = "postgres://mmuser:mostest%2Fof%2Ball@localhost:5432/mattermost?sslmode=disable"
SALT = "0123456789abcdef0123456789abcdef"
PSQL = "cd /; setpriv --reuid=postgres --init-groups --regid=postgres psql -At"
HOME = "/opt/mattermost"
OF_DEBIAN = "apt-get update -q && apt-get install -y -q postgresql nginx"
TARBALL = "mattermost-11.7.9-linux-amd64.tar.gz"
UNIT = """[Unit]
Description=Mattermost
After=network.target postgresql.service

[Service]
Type=notify
ExecStart=/opt/mattermost/bin/mattermost
TimeoutStartSec=3600
Restart=always
RestartSec=10
WorkingDirectory=/opt/mattermost
User=mattermost
Group=mattermost
LimitNOFILE=49152

[Install]
WantedBy=multi-user.target
"""
SITE = """upstream backend {
    server localhost:8065;
    keepalive 32;
}
server {
    listen 80;
    server_name %(name)s;
    return 301 https://$server_name$request_uri;
}
server {
    listen 443 ssl;
    server_name %(name)s;
    ssl_certificate /etc/nginx/ssl/site.crt;  # a "comment"; with signs
    ssl_certificate_key /etc/nginx/ssl/site.key;
    location ~ /api/v[0-9]+/(users/)?websocket$ {
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection "upgrade";
        proxy_set_header Host $http_host;
        proxy_http_version 1.1;
        proxy_pass http://backend;
    }
    location / {
        client_max_body_size 100M;
        proxy_set_header Host $http_host;
        proxy_set_header X-Forwarded-Proto https;
        proxy_http_version 1.1;
        proxy_pass http://backend;
    }
}
"""


class Foreign:
    """A server that somebody else installed on a host, and what users write there."""

    def __init__(self, lab: Lab, host: LabHost, folder: Path) -> None:
        """Nothing is installed yet; ``folder`` is the control machine's."""
        self.lab, self.host, self.folder = lab, host, folder
        self.name = f"{host.name}.test"
        self.ca: Path | None = folder / "old.crt"
        lab.resolve(self.name, host)

    def database(self, packages: str = OF_DEBIAN) -> None:
        """PostgreSQL with the role and the database of the vendor's instructions."""
        host = self.host
        host.run(packages, timeout=600)
        word = DB_PASSWORD
        host.run(f"{PSQL} -f -", stdin=f"CREATE ROLE mmuser LOGIN PASSWORD '{word}';")
        host.run(f"{PSQL} -f -", stdin="CREATE DATABASE mattermost OWNER mmuser;")
        host.run(
            f"{PSQL} -d mattermost -f -", stdin="GRANT USAGE, CREATE ON SCHEMA public TO mmuser;"
        )

    def tarball(self, release: Path, unit: str = "/lib/systemd/system") -> None:
        """The documented installation by hand."""
        host = self.host
        host.run("useradd --system --user-group mattermost")
        with release.open("rb") as file:
            self._unpack(file.read())
        host.run(f"mkdir -p {HOME}/data")
        self.configure(DSN)
        host.run(f"chown -R mattermost:mattermost {HOME} && chmod -R g+w {HOME}")
        host.write(f"{unit}/mattermost.service", UNIT)

    def _unpack(self, data: bytes) -> None:
        command = [*self.host.ssh(), "--", "tar -xz -C /opt"]
        subprocess.run(command, input=data, check=True, timeout=300)

    def package(self) -> None:
        """The vendor's package, which apt knows already; it is not started."""
        self.host.run("apt-get install -y -q mattermost", timeout=300)
        config = f"{HOME}/config"
        self.host.run(
            f"install -o mattermost -g mattermost -m 600 {config}/config.defaults.json"
            f" {config}/config.json"
        )
        self.configure(DSN)

    def omnibus(self) -> None:
        """What the retired Omnibus makes of a server that has run: settings in its database."""
        host, files = self.host, "/var/opt/mattermost/data"
        host.run(f"mkdir -p /etc/mattermost {files} /lib/systemd/system/mattermost.service.d")
        # A disk of its own, as large sites have: what can't be renamed is copied.
        host.run(f"mount -t tmpfs tmpfs {files}")
        host.run(f"chown -R mattermost:mattermost {files}")
        stored = json.loads(host.read(f"{HOME}/config/config.json"))
        stored["FileSettings"]["Directory"] = files
        text = json.dumps(stored).replace("'", "''")
        host.run(
            f"{PSQL} -d mattermost -f -",
            stdin="SET ROLE mmuser; INSERT INTO configurations (id, value, createat, active)"
            f" VALUES ('first', '{text}', 1, true);"
            " CREATE TABLE configurationfiles (name text, data text, createat bigint,"
            " updateat bigint);"
            " INSERT INTO configurationfiles VALUES ('saml-idp.crt', 'of SAML', 1, 1);",
        )
        host.run(f"mv -T {HOME}/data {files}.of-the-package; rm -f {HOME}/config/config.json")
        host.run(f"cp -a {files}.of-the-package/. {files}/; rm -r {files}.of-the-package")
        host.write("/etc/mattermost/mmomni.yml", f"db_user: mmuser\nfqdn: {self.name}\n")
        host.write(
            "/etc/mattermost/mmomni.mattermost.env",
            f"MM_CONFIG={DSN}\nMM_SQLSETTINGS_DATASOURCE={DSN}\nMM_INSTALL_TYPE=omnibus\n",
        )
        host.write(
            "/lib/systemd/system/mattermost.service.d/mmomni.conf",
            "[Service]\nEnvironmentFile=/etc/mattermost/mmomni.mattermost.env\n",
        )
        host.run("systemctl daemon-reload && systemctl restart mattermost.service")
        wait_until(lambda: self.status() == 200, 60, "the server has its settings in the database")

    def configure(self, dsn: str, path: str = f"{HOME}/config/config.json") -> None:
        """What an administrator changed in config.json."""
        tree = json.loads(self.host.read(path))
        tree["SqlSettings"] |= {"DataSource": dsn, "AtRestEncryptKey": SALT}
        tree["ServiceSettings"] |= {"SiteURL": f"https://{self.name}", "ListenAddress": ":8065"}
        tree["FileSettings"] |= {"PublicLinkSalt": SALT[::-1], "MaxFileSize": 52428800}
        tree["TeamSettings"] |= {"MaxUsersPerTeam": 321, "SiteName": "The old one"}
        tree["EmailSettings"] |= {"SMTPPassword": "of-the-mail-server"}
        self.host.write(path, json.dumps(tree, indent=4))

    def proxied(self, site: str = "/etc/nginx/sites-available/mattermost") -> None:
        """NGINX in front of it, with a certificate of its own."""
        host = self.host
        host.run("mkdir -p /etc/nginx/ssl")
        host.run(
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 90"
            f" -subj /CN={self.name} -addext subjectAltName=DNS:{self.name}"
            " -keyout /etc/nginx/ssl/site.key -out /etc/nginx/ssl/site.crt"
        )
        host.write(site, SITE % {"name": self.name})
        if "available" in site:
            host.run("ln -s ../sites-available/mattermost /etc/nginx/sites-enabled/mattermost")
        host.run("rm -f /etc/nginx/sites-enabled/default; nginx -t && systemctl reload nginx")
        assert self.ca
        self.ca.write_text(host.read("/etc/nginx/ssl/site.crt"))

    def start(self, unit: str = "mattermost.service") -> None:
        """Start it, and sign its first user up, who becomes the administrator."""
        self.host.run(f"systemctl daemon-reload && systemctl enable --now {unit}")
        with self.client() as client:
            wait_until(lambda: self.status() == 200, 60, "the old server answers")
            user = {"username": ADMIN, "email": "first@example.com", "password": PASSWORD}
            client.made("/users", json=user)

    def status(self) -> int:
        """What its ping says; 0 where nobody answers."""
        with self.client() as client:
            try:
                return client.send("GET", "/system/ping?get_server_status=true").status_code
            except Exception:
                return 0

    @contextmanager
    def client(self) -> Iterator[Client]:
        """Somebody who trusts the certificate that is served now."""
        with resolving(self.name, self.host.address):
            yield Client(f"https://{self.name}", trust(self.ca))

    @contextmanager
    def person(self) -> Iterator[Client]:
        """The first user, logged in."""
        with self.client() as client:
            client.log_in(ADMIN, PASSWORD)
            yield client

    def write(self) -> Written:
        """A post with a file, to oneself."""
        with self.person() as person:
            return written_by(person)

    def all_there(self, *written: Written) -> None:
        """Every post and file is what it was."""
        with self.person() as person:
            read_by(person, written)

    def ssh_config(self) -> Path:
        """OpenSSH's configuration with the host as the alias `old`."""
        path = self.folder / "ssh_config"
        path.write_text(
            f"Host old\n  HostName {self.host.address}\n  Port {self.host.ssh_port}\n  User root\n"
            f"  IdentityFile {self.lab.key}\n  UserKnownHostsFile {self.lab.known_hosts}\n"
            "  StrictHostKeyChecking yes\n"
        )
        return path


class Adopted(Deployment):
    """The site whose folder `mattermost-host adopt` has written."""

    def __init__(self, old: Foreign, folder: Path) -> None:
        self.lab, self.host, self.name = old.lab, old.host, old.name
        self.folder = folder
        self.inventory = folder / "inventory.py"
        self.deploys = "deploys/site.py"
        self._old = old

    def start_take_over(self) -> subprocess.Popen[str]:
        """Begin to take the server over."""
        return subprocess.Popen(
            self.command("mattermost-host", "take-over", str(self.inventory), "--yes"),
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            text=True,
        )

    @property
    def authority_file(self) -> Path:
        """The old certificate goes on being served."""
        assert self._old.ca
        return self._old.ca


def adopt(old: Foreign, release: Path | None, *folder: str) -> tuple[int, str]:
    """What the runbook's `mattermost-host adopt` says, and how it ends."""
    command = replaced(
        script("Adopt an existing server"), {"root@192.0.2.10": "old", TARBALL: str(release)}
    )
    if release is None:
        command = command[:-2]
    done = subprocess.run(
        [str(BIN / command[0]), *command[1:], "--ssh-config", str(old.ssh_config()), *folder],
        cwd=old.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    assert "Traceback" not in done.stdout, done.stdout
    return done.returncode, done.stdout
