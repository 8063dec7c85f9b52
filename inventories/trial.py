"""The host that `make trial` boots. The command tells by its environment where the host is."""

import os

_release = os.environ.get("MATTERMOST_RELEASE")
_digest = os.environ.get("MATTERMOST_RELEASE_SHA256")

site = {
    "url": "https://mattermost.test",
    "users": 50,
    "mattermost": {
        # A tarball that was named on the command line is trusted as far as whoever named it.
        "release": {"file": _release, "sha256": _digest, "unverified": not _digest}
        if _release
        else {},
    },
}

_connection = {
    "ssh_key": os.environ.get("MATTERMOST_TRIAL_KEY"),
    "ssh_known_hosts_file": os.environ.get("MATTERMOST_TRIAL_KNOWN_HOSTS"),
}

app = db = proxy = [
    (
        os.environ.get("MATTERMOST_TRIAL_ADDRESS", "mattermost.test"),
        {"ssh_user": "root", **{key: value for key, value in _connection.items() if value}},
    )
]
