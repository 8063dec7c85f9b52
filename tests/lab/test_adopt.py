"""Servers that somebody else installed are adopted, with every post, file, setting and salt."""

import json
from pathlib import Path

from tests.lab.foreign import SALT, Adopted, Foreign, adopt
from tests.lab.hosts import Lab


def test_an_installation_by_hand_is_taken_over(lab: Lab, release: Path, tmp_path: Path) -> None:
    host = lab.up("byhand")
    old = Foreign(lab, host, tmp_path)
    old.database()
    old.tarball(release)
    old.proxied()
    old.start()
    written = [old.write(), old.write()]

    status, said = adopt(old, release, "site")
    print(said)
    assert status == 0
    site = Adopted(old, tmp_path / "site")
    text = (site.folder / "inventory.py").read_text()
    print(text)
    assert "'TeamSettings.MaxUsersPerTeam': 321," in text
    assert SALT not in text + said
    assert site.secrets["settings"]["SqlSettings.AtRestEncryptKey"] == SALT

    refused = site.run("mattermost-host", "plan", "inventory.py", check=False)
    assert "mattermost-host take-over" in refused.words

    done = site.run("mattermost-host", "take-over", "inventory.py", "--yes", check=False)
    print(done.output)
    assert done.status == 0
    old.all_there(*written)
    written.append(old.write())
    kept = json.loads(host.read("/var/lib/mattermost/config/config.json"))
    assert kept["SqlSettings"]["AtRestEncryptKey"] == SALT
    assert site.deploy().changed == ()
    assert site.run("mattermost-host", "plan", "inventory.py").status == 0
    old.all_there(*written)
