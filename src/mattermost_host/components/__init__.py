"""The components: one file each. Their rows are in site/settings.py."""

from mattermost_host.components import base, firewall, mattermost, nginx, postgres, tls

__all__ = ["base", "firewall", "mattermost", "nginx", "postgres", "tls"]
