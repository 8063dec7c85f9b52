"""The host that `make trial` boots; the command writes its address to trial.host.json."""

import json
from pathlib import Path

_file = Path(__file__).with_name("trial.host.json")
_trial = json.loads(_file.read_text()) if _file.exists() else {}

site = {
    "url": "https://mattermost.test",
    "users": 50,
    "mattermost": {"release": _trial.get("release", {})},
}

app = db = proxy = [
    (
        _trial.get("address", "mattermost.test"),
        {"ssh_user": "root", **_trial.get("connection", {})},
    )
]
