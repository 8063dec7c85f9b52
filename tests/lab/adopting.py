"""What each server that is adopted is asked: it is moved whole, and nothing of it shows."""

import json
from collections.abc import Mapping
from pathlib import Path

from tests.lab.foreign import DB_PASSWORD, SALT, Adopted, Foreign, adopt
from tests.lab.runbook import typed
from tests.lab.upgrades import Written
from tests.standin.build import build

VERSION = "11.7.9"
CONFIG = "/var/lib/mattermost/config/config.json"
STATE = (
    "find /etc /opt /usr/local /var/lib/mattermost* -xdev -printf '%p %m %u %s %T@ %C@ %l\\n'"
    " 2>/dev/null | sort; systemctl list-unit-files --no-legend | grep -v '[.]scope'; getent passwd"
)


def built(folder: Path) -> Mapping[str, Path]:
    """The stand-in, and one that takes no posts."""
    broken = build(folder, VERSION, ["refuses-posts"])
    return {"sound": build(folder, VERSION), "broken": broken}


def adopted(old: Foreign, release: Path | None) -> Adopted:
    """The site that `adopt` writes; nothing changes on the host, and no secret is shown."""
    before = old.host.run(STATE).stdout
    status, said = adopt(old, release, "site")
    print(said)
    assert status == 0
    assert old.host.run(STATE).stdout == before
    site = Adopted(old, old.folder / "site")
    text = site.inventory.read_text()
    print(text)
    for secret in (SALT, SALT[::-1], DB_PASSWORD, "mostest", "of-the-mail-server"):
        assert secret not in text + said
    assert site.secrets["settings"]["SqlSettings.AtRestEncryptKey"] == SALT
    assert site.secrets["settings"]["EmailSettings.SMTPPassword"] == "of-the-mail-server"
    assert site.secrets_file.stat().st_mode & 0o777 == 0o600
    return site


def took_over(site: Adopted, check: bool = True) -> str:
    """What `take-over` says; with ``check`` it ends well."""
    done = site.run(*typed("Adopt an existing server", site, 1), "--yes", check=False)
    print(done.output)
    assert (done.status == 0) == check
    begun = [line for line in done.output.splitlines() if "--> Starting" in line]
    assert len(begun) == len(set(begun)), "a line comes twice"
    for secret in (SALT, DB_PASSWORD, "of-the-mail-server"):
        assert secret not in done.output
    return done.words


def is_ours(site: Adopted, old: Foreign, written: list[Written]) -> None:
    """Everything is there, a second run changes nothing, and nothing of the old one runs."""
    old.all_there(*written)
    written.append(old.write())
    stored = json.loads(site.host.read(CONFIG))
    assert stored["SqlSettings"]["AtRestEncryptKey"] == SALT
    assert stored["FileSettings"]["PublicLinkSalt"] == SALT[::-1]
    assert site.deploy().changed == ()
    assert site.run("mattermost-host", "plan", "inventory.py").status == 0
    assert "nothing to take over" in took_over(site)
    site.host.reboot()
    site.wait_healthy()
    old.all_there(*written)


def state_release(site: Adopted, release: Path) -> None:
    """As the inventory asks for it: the digest of this release is in no table."""
    lines = [
        f'        "release": {{"file": "{release}", "unverified": True}},'
        if '"release": {' in line
        else line
        for line in site.inventory.read_text().splitlines()
    ]
    site.inventory.write_text("\n".join(lines) + "\n")
