"""The key of a host's backups is never replaced by another one."""

import subprocess
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from pydantic import SecretStr

from mattermost_host.components import backup
from mattermost_host.facts.questions import QUESTIONS, SCRIPT
from mattermost_host.ops.backup_files import TIMER_FILE
from mattermost_host.ops.backup_target import KEY_FILE
from mattermost_host.preflight.finding import Requirement
from tests.unit.examples import DEBIAN_12, ExampleSecrets, place

OURS = sha256(b"Right-Key\n").hexdigest()
SITE = backup.Settings(to="/srv/backup")


def _verdict(key: str, on_host: str) -> tuple[str, str]:
    facts = replace(DEBIAN_12, backup_key=on_host)
    here = replace(place(facts), secrets=ExampleSecrets(backup_key=SecretStr(key)))
    (check,) = [
        one
        for one in backup.requires(SITE, here)
        if isinstance(one, Requirement) and one.name == "backup-key"
    ]
    (finding,) = check.check(facts)
    return finding.verdict, " ".join((finding.found, finding.needed, finding.remedy))


@pytest.mark.parametrize("on_host", ["", OURS])
def test_the_same_key_or_none(on_host: str) -> None:
    assert _verdict("Right-Key", on_host)[0] == "ok"


def test_another_key_is_refused_and_the_way_out_is_named() -> None:
    verdict, words = _verdict("Other-Key", OURS)
    assert verdict == "error"
    assert "Write the key of /etc/mattermost-host/backup.key on the host as backup_key" in words
    assert "move /etc/mattermost-host/backup.key and /srv/backup/mattermost-host away" in words
    assert "Other-Key" not in words


def test_the_hosts_answer() -> None:
    assert QUESTIONS["backup_key"]([f"{OURS}  -"]) == {"backup_key": OURS}
    assert QUESTIONS["backup_key"]([]) == {"backup_key": ""}


@pytest.mark.parametrize(("made", "lines"), [(True, 1), (False, 0)])
def test_what_a_lost_host_was_looked_into_with_is_not_the_hosts_key(
    tmp_path: Path, made: bool, lines: int
) -> None:
    """One that was wrong is replaced by the right one, as long as no backup is made with it."""
    script = SCRIPT
    for path, there in ((KEY_FILE, True), (TIMER_FILE, made)):
        assert path in script
        place = tmp_path / Path(path).name
        script = script.replace(path, str(place))
        if there:
            place.write_text("Some-Key\n")
    done = subprocess.run(
        ["sh", "-euc", f"{script}\nbackup_key"], capture_output=True, text=True, check=True
    )
    assert len(done.stdout.splitlines()) == lines
