"""What a host says of a server that somebody else installed."""

import json
from base64 import b64encode
from dataclasses import replace
from typing import Any

from mattermost_host.knowledge import nginx_sites
from mattermost_host.knowledge.foreign_dsn import source_of
from mattermost_host.ops.foreign import AskForeign, Foreign
from mattermost_host.ops.foreign_data import Data
from mattermost_host.preflight.adoption import Look
from tests.unit.examples import DEBIAN_12

NAME = "chat.example.com"
DSN = "postgres://mmuser:h%40rd@localhost:5432/mattermost?sslmode=disable&connect_timeout=10"
CONFIG: dict[str, Any] = {
    "ServiceSettings": {"SiteURL": f"https://{NAME}", "ListenAddress": ":8065"},
    "SqlSettings": {"DriverName": "postgres", "DataSource": DSN, "AtRestEncryptKey": "k" * 32},
    "FileSettings": {
        "Directory": "./data/",
        "DriverName": "local",
        "MaxFileSize": 52428800,
        "PublicLinkSalt": "s" * 32,
    },
    "TeamSettings": {"SiteName": "Ours", "MaxUsersPerTeam": 321},
    "Odd": {"Thing": 1},
}
DEFAULTS = {"TeamSettings": {"SiteName": "Mattermost", "MaxUsersPerTeam": 321}}
NGINX = f"""# configuration file /etc/nginx/nginx.conf:
http {{ include /etc/nginx/sites-enabled/*; }}
# configuration file /etc/nginx/sites-enabled/mattermost:
upstream backend {{ server localhost:8065; keepalive 32; }}
server {{ listen 80; server_name {NAME}; return 301 https://$server_name$request_uri; }}
server {{
  listen 443 ssl http2; # of "{NAME}";
  server_name {NAME};
  ssl_certificate /etc/nginx/ssl/site.crt;
  ssl_certificate_key '/etc/nginx/ssl/site.key';
  location ~ /api/v[0-9]+/(users/)?websocket$ {{ proxy_pass http://backend; }}
}}
# configuration file /etc/nginx/conf.d/other.conf:
server {{ listen 443 ssl; server_name other.example.com; }}
"""


def encoded(text: str) -> str:
    """As `base64 -w0` prints it."""
    return b64encode(text.encode()).decode()


def lines(config: dict[str, Any] = CONFIG, environment: str = "LANG=C\0") -> list[str]:
    """The answer of a host whose server was installed by hand."""
    version = "Version: 11.7.9\nBuild Enterprise Ready: true\n"
    return [
        "unit=mattermost.service active /lib/systemd/system/mattermost.service",
        "running=mattermost.service",
        "dropins=",
        "enabled=enabled",
        "user=mattermost",
        "binary=/opt/mattermost/bin/mattermost",
        "home_owner=mattermost:mattermost",
        "home_mode=775",
        f"environment={encoded(environment)}",
        "cwd=/opt/mattermost",
        f"version={encoded(version)}",
        "config_file=/opt/mattermost/config/config.json",
        f"config={encoded(json.dumps(config))}",
        f"defaults={encoded(json.dumps(DEFAULTS))}",
        f"nginx={encoded(NGINX)}",
    ]


def foreign(**changes: Any) -> Foreign:
    """The same, understood."""
    return replace(AskForeign().parse(lines()), **changes)


DATA = Data(
    answered=True,
    server="15.8",
    data_folder="/var/lib/postgresql/15/main",
    access="/etc/postgresql/15/main/pg_hba.conf",
    databases=("mattermost",),
    owner="mmuser",
    encoding="UTF8",
    collation="C.UTF-8",
    database_mb=9,
    people=12,
    posts=345,
    administrator="first",
    folder="/opt/mattermost/data",
    data_mb=20,
    free_mb=9000,
)
HOST = replace(DEBIAN_12, clusters=(("15", "main", 5432),), managed=False, listeners=())


def look(one: Foreign | None = None, data: Data = DATA, **facts: Any) -> Look:
    """All that is known of it."""
    server = one or foreign()
    served = nginx_sites.sites(server.nginx)
    ours = nginx_sites.of_site(served, NAME)
    source = source_of(str(server.setting("SqlSettings.DataSource")), (), "mattermost")
    others = tuple(each for each in served if each not in ours)
    return Look(replace(HOST, **facts), server, source, data, ours, others)
