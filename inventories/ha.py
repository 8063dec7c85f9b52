"""A database on three hosts, and one host with the server and its proxy. Copy this file, change
the names and addresses, and deploy:

    pyinfra inventories/ha.py deploys/site.py

Any of the three may be lost: users wait for half a minute at most, and nothing that was
acknowledged is lost. docs/high-availability.md says how, and docs/settings.md lists all keys.
"""

site = {
    "url": "https://mattermost.example.com",
    "users": 2000,
}

# The address by which the site's other hosts reach a host, beside pyinfra's ssh_user, ssh_key …
db = etcd = [
    ("db1.example.com", {"ssh_user": "root", "private_address": "10.0.0.11"}),
    ("db2.example.com", {"ssh_user": "root", "private_address": "10.0.0.12"}),
    ("db3.example.com", {"ssh_user": "root", "private_address": "10.0.0.13"}),
]
app = proxy = [
    ("mattermost.example.com", {"ssh_user": "root", "private_address": "10.0.0.21"}),
]
