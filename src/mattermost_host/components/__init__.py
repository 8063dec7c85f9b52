"""The components: one file each. Their rows are in site/settings.py."""

from mattermost_host.components import (
    backup,
    base,
    etcd,
    firewall,
    haproxy,
    mattermost,
    nginx,
    patroni,
    postgres,
    tls,
)

__all__ = [
    "backup",
    "base",
    "etcd",
    "firewall",
    "haproxy",
    "mattermost",
    "nginx",
    "patroni",
    "postgres",
    "tls",
]
