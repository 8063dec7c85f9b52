"""The command `backup` where the database is on several hosts: who makes it, and who can't."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from mattermost_host.cli import backup_commands, backup_of_members
from mattermost_host.cli.main import main
from mattermost_host.engine.inventory import SiteHost
from mattermost_host.engine.remote import Answer
from mattermost_host.ops import detached
from mattermost_host.ops.backup_files import DUMP_SERVICE, SERVICE
from mattermost_host.ops.backup_members import OF_DATABASE
from mattermost_host.ops.pgbackrest_member import NOT_LEADING
from mattermost_host.site.site import Site
from mattermost_host.support.errors import OperatorError

BACKUP = {"to": "s3://backups/chat", "endpoint": "https://s3.example.com"}
SITE = {"url": "https://chat.example.com", "users": 50, "backup": BACKUP}
HOSTS = """
_at = {"db1": "10.0.0.1", "db2": "10.0.0.2", "db3": "10.0.0.3"}
etcd = db = [(name, {"private_address": address}) for name, address in _at.items()]
app = proxy = [("chat", {"private_address": "10.0.0.9"})]
"""
LOST, FAILS = "lost", "fails"
Ran = list[tuple[str, str]]


@pytest.fixture
def words() -> dict[str, str]:
    """What each database's host says: db2 leads."""
    return {"db1": NOT_LEADING, "db2": "dumped: 0a", "db3": NOT_LEADING, "chat": "backed up"}


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch, words: dict[str, str]) -> Ran:
    """What the hosts were given to run."""
    done: Ran = []

    def run(host: SiteHost, script: str, say: Callable[[str], None]) -> Answer:
        if words[host.name] == LOST:
            raise OperatorError(f"{host.name} does not answer")
        done.append((host.name, script))
        say(words[host.name])
        return Answer(int(words[host.name] == FAILS), b"", "it failed")

    monkeypatch.setattr(Site, "_current", None)
    for module in (backup_commands, backup_of_members):
        monkeypatch.setattr(module, "run_as_root", run)
    for name in ("S3_ACCESS_KEY", "S3_SECRET_KEY"):
        monkeypatch.setenv(f"MATTERMOST_HOST_BACKUP_{name}", "secret")
    return done


def _typed(folder: Path, *command: str) -> tuple[int, str]:
    path = folder / "chat.py"
    path.write_text(f"site = {SITE!r}\n{HOSTS}")
    done = CliRunner().invoke(main, [command[0], str(path), *command[1:]])
    return done.exit_code, " ".join(done.output.split())


def test_each_member_is_asked_and_the_files_follow(ran: Ran, tmp_path: Path) -> None:
    status, said = _typed(tmp_path, "backup")
    assert (status, "The backup is made" in said) == (0, True), said
    of_database = detached.started(DUMP_SERVICE, *OF_DATABASE)
    assert ran == [
        *((name, of_database) for name in ("db1", "db2", "db3")),
        ("chat", detached.started(SERVICE, SERVICE)),
    ]
    assert f"db1: {NOT_LEADING}" in said


def test_a_lost_member_keeps_nobody_from_it(
    ran: Ran, words: dict[str, str], tmp_path: Path
) -> None:
    words["db1"] = LOST
    status, said = _typed(tmp_path, "backup")
    assert (status, "db1 does not answer" in said) == (0, True), said


@pytest.mark.parametrize("leader", [LOST, FAILS, NOT_LEADING])
def test_where_nobody_makes_one_it_fails(
    leader: str, ran: Ran, words: dict[str, str], tmp_path: Path
) -> None:
    words["db2"] = leader
    status, said = _typed(tmp_path, "backup")
    assert status == 1
    assert "no backup of the database was made" in said
    assert "chat" not in [name for name, _ in ran]


@pytest.mark.parametrize(
    ("command", "section"),
    [
        (("restore", "--yes"), "Restore a database on several hosts"),
        (("drill",), "Prove the backups of several hosts"),
    ],
)
def test_what_is_done_by_hand_names_its_section(
    command: tuple[str, ...], section: str, ran: Ran, tmp_path: Path
) -> None:
    status, said = _typed(tmp_path, *command)
    assert (status, ran) == (1, [])
    assert f"docs/high-availability.md, “{section}”" in said
    document = Path(__file__).parents[3] / "docs/high-availability.md"
    assert f"\n## {section}\n" in document.read_text(encoding="utf-8")
