"""scripts/try-on, as somebody with a host of his own types it: Debian, and the look-alike."""

import os
import subprocess
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.lab.deployment import ROOT
from tests.lab.hosts import Lab, LabHost
from tests.try_on.place import PASSWORD
from tests.try_on.report import leaves
from tests.try_on.tamperings import COUNT

ENTERPRISE = "el9"
NAMES = {"bookworm": "Debian GNU/Linux 12 (bookworm)", ENTERPRISE: "Rocky Linux 9.4 (Blue Onyx)"}
PACKAGES = {
    "bookworm": ("nginx 1.22", "postgresql-15 15."),
    ENTERPRISE: ("nginx 1.24", "postgresql-server 15.", "firewalld 1."),
}
MORE = {"bookworm": 0, ENTERPRISE: 4}
"""Tamperings of what only such a host has."""
SECRET = "the-sudo-password-of-admin"
LONGEST_S = 2400.0
"""For a trial; 10 to 20 minutes where the machine has nothing else to do."""


@dataclass(frozen=True)
class Tried:
    """What a trial left."""

    status: int
    said: str
    folder: Path
    report: str


@dataclass(frozen=True)
class Person:
    """Somebody with a key, a home of his own and a host."""

    lab: Lab
    host: LabHost
    home: Path
    release: Path

    def tries(self, *options: str) -> Tried:
        """Types the command, and answers nothing."""
        temporary = self.home / f"tmp{len(list(self.home.iterdir()))}"
        temporary.mkdir()
        login = ("--user", "admin", "--key", str(self.lab.key))
        given = ("--release", str(self.release), *options)
        if self.host.suite == ENTERPRISE:
            # Its PostgreSQL is Debian's 15, whatever its packages say.
            given += ("--postgresql", "15")
        done = subprocess.run(
            [str(ROOT / "scripts/try-on"), self.host.address, *login, *given],
            env={
                **os.environ,
                "HOME": str(self.home),
                "TMPDIR": str(temporary),
                "XDG_CACHE_HOME": str(self.home / "cache"),
                PASSWORD: SECRET,
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=LONGEST_S,
            check=False,
        )
        (folder,) = temporary.glob("mattermost-try-on-*")
        report = (folder / "report.md").read_text(encoding="utf-8")
        return Tried(done.returncode, done.stdout, folder, report)


@pytest.fixture(scope="module", params=NAMES)
def person(
    request: pytest.FixtureRequest,
    lab: Lab,
    release: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Person]:
    """Logs in as admin, whose sudo wants a password."""
    host = lab.up(f"on-{request.param}", suite=request.param)
    host.run("chpasswd", stdin=f"admin:{SECRET}\n")
    host.write("/etc/sudoers.d/admin", "admin ALL=(ALL) ALL\n")
    yield Person(lab, host, tmp_path_factory.mktemp("home"), release)
    lab.down(host)


def test_without_an_answer_nothing_is_changed(person: Person) -> None:
    tried = person.tries()
    assert tried.status == 1
    assert "add --yes" in tried.said
    assert "nothing on the host: it was not changed" in tried.report
    assert person.host.run("ls -d /etc/mattermost-host", check=False).returncode != 0


def test_a_host_that_will_not_do_is_reported(person: Person) -> None:
    person.host.run("mount -t tmpfs -o size=1m none /tmp")
    try:
        tried = person.tries("--yes")
    finally:
        person.host.run("umount /tmp")
    assert tried.status == 1
    assert "1 of 1 steps were not as expected" in tried.report
    assert "1 MB free in /tmp" in tried.report
    assert person.host.run("ls -d /etc/mattermost-host", check=False).returncode != 0


@pytest.fixture(scope="module")
def whole(person: Person) -> Tried:
    """A trial to its end."""
    return person.tries("--yes")


def test_the_whole_way(person: Person, whole: Tried) -> None:
    tried, suite = whole, person.host.suite
    count = COUNT + MORE[suite]
    assert tried.status == 0, tried.said + tried.report
    rows = [line for line in tried.report.splitlines() if line.endswith("| yes |")]
    assert f"# mattermost-host on {NAMES[suite]}: all held" in tried.report
    assert sum(": heal |" in row and "| 0 |" in row for row in rows) == count
    assert sum(": plan |" in row and "| 2 |" in row for row in rows) == count
    assert sum(": plan again |" in row and "| 0 |" in row for row in rows) == count
    for step in ("deploy again", "verification with journey", "drift: repaired"):
        assert any(row.startswith(f"| {step} |") for row in rows), step
    for known in (*PACKAGES[suite], "kernel: Linux"):
        assert known in tried.report


def test_the_report_tells_no_secret_and_nobody_s_name(person: Person, whole: Tried) -> None:
    tried = whole
    secrets = tomllib.loads((tried.folder / "inventory.secrets.toml").read_text(encoding="utf-8"))
    known = [one for one in leaves(secrets) if len(one) > 3]
    assert len(known) > 5
    for secret in (*known, SECRET, person.host.address, str(person.home)):
        assert secret not in tried.report
    assert tried.folder.stat().st_mode & 0o077 == 0
    assert SECRET not in (tried.folder / "inventory.py").read_text(encoding="utf-8")
