"""One host in all roles. Copy this file, change the three lines, and deploy:

    pyinfra inventories/single.py deploys/site.py

docs/settings.md lists all keys of `site`.
"""

site = {
    "url": "https://mattermost.example.com",
    "users": 200,
}

# Connection data as pyinfra knows it: ssh_user, ssh_port, ssh_key …
app = db = proxy = [("mattermost.example.com", {"ssh_user": "root"})]
