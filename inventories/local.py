"""This machine in all roles: `sudo .venv/bin/pyinfra inventories/local.py deploys/site.py`."""

import socket

site = {
    "url": f"https://{socket.getfqdn()}",
    "users": 50,
}

app = db = proxy = ["@local"]
