"""The components: one file each. Their rows are in site/settings.py."""

from mattermost_host.components import backup, base, firewall, mattermost, nginx, postgres, tls

__all__ = ["backup", "base", "firewall", "mattermost", "nginx", "postgres", "tls"]
