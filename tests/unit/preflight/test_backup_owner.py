"""Two hosts never archive into one repository, and two databases neither: seen before a run."""

import base64
import subprocess
from dataclasses import replace

import pytest
from pydantic import SecretStr

from mattermost_host.components import backup
from mattermost_host.facts.backups import NO_BACKUPS, BackupFacts
from mattermost_host.knowledge.backup_places import Access
from mattermost_host.ops.pgbackrest_info import OtherKey, system_of
from mattermost_host.ops.pgbackrest_state import Repository
from mattermost_host.preflight import backup_bucket, backup_owner
from mattermost_host.preflight.backup_held import Held
from mattermost_host.preflight.finding import Finding, Inquiry, Requirement
from tests.unit.examples import DEBIAN_12, ExampleSecrets, place
from tests.unit.ssh_server import local_host

KEY = "Key-of-all-backups"
OURS, OTHERS = "7713007321457831872", "7713007321457831999"
HERE = BackupFacts(machine="0a", systems=(OURS,))
INFO = """[backrest]
backrest-format=5

[cipher]
cipher-pass="another"

[db]
db-id=1
db-system-id={}
db-version="17"

[db:history]
1={{"db-id":7713007321457831000,"db-version":"17"}}
"""


def encrypted(system: str = OURS, key: str = KEY) -> bytes:
    """As pgBackRest does it, by OpenSSL's own program."""
    command = ["openssl", "enc", "-aes-256-cbc", "-md", "sha1", "-pass", f"pass:{key}"]
    text = INFO.format(system).encode()
    return subprocess.run(command, input=text, capture_output=True, check=True).stdout


def judged(mark: str = "0a here", info: bytes | None = None, here: BackupFacts = HERE) -> Finding:
    held = Held(mark, encrypted() if info is None else info)
    return backup_owner.judged(held, here, SecretStr(KEY), "chat.secrets.toml")


def test_the_file_is_read_as_pgbackrest_writes_it() -> None:
    assert system_of(encrypted(OTHERS), KEY) == OTHERS
    assert system_of(INFO.format(OURS).encode(), KEY) == OURS


@pytest.mark.parametrize("content", [encrypted(key="other"), b"Salted__", b"", b"[db]\ndb-id=1\n"])
def test_another_key_is_seen(content: bytes) -> None:
    with pytest.raises(OtherKey):
        system_of(content, KEY)


@pytest.mark.parametrize(
    ("mark", "info", "said"),
    [
        ("", b"", "the repository of backups is not begun"),
        ("0a here", b"", "the repository of backups belongs to this host"),
        ("0a here", None, "the repository of backups belongs to this host"),
        # A deploy marks it.
        ("", None, "the repository of backups belongs to this host"),
    ],
)
def test_a_repository_of_this_host(mark: str, info: bytes | None, said: str) -> None:
    found = judged(mark, info)
    assert (found.verdict, found.found) == ("ok", said)


@pytest.mark.parametrize("systems", [(OURS, OTHERS), (OTHERS, OURS), (OTHERS, ""), ("",)])
def test_one_of_the_databases_may_be_that_of_the_repository(systems: tuple[str, ...]) -> None:
    """As while the database moves to another major version; one may have been unreadable."""
    assert judged(here=replace(HERE, systems=systems)).verdict == "ok"


@pytest.mark.parametrize(
    ("mark", "info", "systems", "said", "to_do"),
    [
        ("0b other", None, (OURS,), "belongs to another host (other)", "repo-rm mattermost-host-"),
        ("0b other", b"", (OURS,), "belongs to another host (other)", "restore --from"),
        ("0b other", None, (), "belongs to another host (other)", "restore --from"),
        (
            "0b other",
            encrypted(key="other"),
            (OURS,),
            "belongs to another host (other)",
            "Two hosts in one would make both unusable",
        ),
        (
            "0a here",
            encrypted(OTHERS),
            (OURS,),
            f"is another database's ({OTHERS}, here is {OURS})",
            "Two databases in one would make both unusable",
        ),
        (
            "0a here",
            encrypted(key="other"),
            (OURS,),
            "is encrypted with another key",
            "as backup_key into chat.secrets.toml",
        ),
        (
            "0a here",
            None,
            (),
            f"holds a database ({OURS}), and this host has none yet",
            "restore --from",
        ),
    ],
)
def test_a_repository_of_somebody_else(
    mark: str, info: bytes | None, systems: tuple[str, ...], said: str, to_do: str
) -> None:
    found = judged(mark, info, replace(HERE, systems=systems))
    assert (found.name, found.verdict) == ("backup-owner", "error")
    assert found.found == f"the repository of backups {said}"
    assert found.needed == "a repository of this host's own"
    assert to_do in found.remedy


def test_the_verification_has_the_same_words() -> None:
    other_host = Repository(code=0, machine="0a", owner="0b other", system=OURS, own=OURS)
    assert judged("0b other").found == f"the repository of backups {other_host.wrong}"
    other_database = replace(other_host, owner="0a here", system=OTHERS)
    found = judged(info=encrypted(OTHERS)).found
    assert found == f"the repository of backups {other_database.wrong}"


def test_what_a_host_does_not_tell_is_said_to_be_unread() -> None:
    found = judged(here=NO_BACKUPS)
    assert (found.verdict, found.found) == (
        "warning",
        "whose the repository of backups is could not be read",
    )


SECRETS = ExampleSecrets(
    backup_key=SecretStr(KEY), backup_access=Access(SecretStr("a"), SecretStr("b"))
)


def test_a_folders_is_judged_by_the_facts() -> None:
    here = replace(place(), secrets=SECRETS)
    needs = backup.requires(backup.Settings(to="/srv/backup"), here)
    (need,) = [one for one in needs if "backup-owner" in one.checks]
    assert isinstance(need, Requirement)
    told = replace(HERE, mark="0b other", info=base64.b64encode(encrypted()).decode())
    (found,) = need.check(replace(DEBIAN_12, backups=told))
    assert found.found == "the repository of backups belongs to another host (other)"


def test_that_of_another_place_is_judged_by_what_was_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backup_bucket, "look", lambda *_: Held("0b other", encrypted()))
    settings = backup.Settings(to="s3://backups", endpoint="https://s3.example.com")
    (need,) = [
        one
        for one in backup.requires(settings, replace(place(), secrets=SECRETS))
        if isinstance(one, Inquiry)
    ]
    assert tuple(need.checks) == ("backup-place", "backup-owner")
    opens, whose = need.ask(local_host(), replace(DEBIAN_12, backups=HERE))
    assert (opens.name, opens.verdict) == ("backup-place", "ok")
    assert whose.found == "the repository of backups belongs to another host (other)"


@pytest.mark.parametrize(
    ("mark", "system", "systems", "found"),
    [
        ("", "", (OURS,), ""),
        (f"{OURS} db1", OURS, (OURS,), ""),
        # A new member copies what the others have, and the files' host has no database.
        (f"{OURS} db1", OURS, (), ""),
        (f"{OTHERS} other", OURS, (OURS,), "belongs to another site (other)"),
        ("0a chat", OURS, (OURS,), "belongs to another site (chat)"),
        (f"{OTHERS} other", OTHERS, (OURS,), "is another database's"),
        # One that could not be read may be the repository's.
        (f"{OTHERS} other", OTHERS, (OURS, ""), ""),
    ],
)
def test_the_members_of_a_database_own_one_together(
    mark: str, system: str, systems: tuple[str, ...], found: str
) -> None:
    held = Held(mark, encrypted(system) if system else b"")
    here = replace(HERE, systems=systems)
    said = backup_owner.judged_of_member(held, here, SecretStr(KEY), "chat.secrets.toml")
    assert (said.verdict == "error") is bool(found)
    assert found in said.found


def test_the_members_key_is_the_repositorys() -> None:
    held = Held(f"{OURS} db1", encrypted(key="other"))
    said = backup_owner.judged_of_member(held, HERE, SecretStr(KEY), "chat.secrets.toml")
    assert (said.verdict, said.found) == (
        "error",
        "the repository of backups is encrypted with another key",
    )
    assert "chat.secrets.toml" in said.remedy
