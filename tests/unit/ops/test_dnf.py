"""Packages by dnf: locks are waited for, keys stay, half an installation is seen.

dnf and rpm only write down what they were asked; the look-alike in the lab has the real ones.
"""

import subprocess
from pathlib import Path

import pytest

from mattermost_host.engine import shell
from mattermost_host.ops import packages
from mattermost_host.ops.dnf import LOCKED, UNFINISHED, UNKNOWN_KEY, installation
from mattermost_host.ops.packages import PackageStates
from tests.unit import local
from tests.unit.fake_host import answering, plan

BOTH = PackageStates(("nginx", "tar"), "dnf")
HELD = "RPMDB already locked by 12"
REPOSITORIES = """[baseos]
name=BaseOS
gpgkey=file:///etc/pki/rpm-gpg/RPM-GPG-KEY-Rocky-9
[nginx-stable]
gpgkey = file:///etc/pki/rpm-gpg/one
         https://example.com/keys/two
baseurl=https://example.com/
[mirror]
baseurl=https://example.com/
gpgkey=file:///etc/pki/rpm-gpg/three
"""


def _shell(found: dict[str, str]) -> str:
    return plan(
        lambda: packages.installed("both are installed", ["nginx", "tar"], "dnf"),
        answer=answering({BOTH: found}),
    ).shell


def test_answers_in_commands_out() -> None:
    there = {"nginx": "1.24", "tar": "1.34"}
    assert _shell(there) == ""
    assert "$dnf install tar ||" in _shell({"nginx": "1.24"})
    assert "$dnf install nginx tar ||" in _shell({})
    assert "failed=0\ncase" in _shell({**there, "unfinished": "0"})


def test_what_rpm_says_of_missing_packages_is_no_package() -> None:
    said = ["package nginx is not installed", "tar installed 1.34-6.el9", "unfinished installed 0"]
    assert BOTH.parse(said) == {"tar": "1.34-6.el9", "unfinished": "0"}
    assert BOTH.part(BOTH.parse(said)) == BOTH.parse(said)


class Dnf:
    """A host in a folder, with a dnf that fails as often as it is told."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.programs = folder / "programs"
        self.log = folder / "log"
        self.pauses = folder / "pauses"
        self.note = folder / "unfinished"
        self.log.touch()
        (folder / "repos").mkdir()
        (folder / "repos" / "some.repo").write_text(REPOSITORIES)
        local.program(self.programs, "sleep", f"echo $* >>{self.pauses}")
        local.program(self.programs, "sync", "true")
        local.program(self.programs, "rpm", "true")
        self.answers()

    def answers(self, words: str = "", status: int = 0, times: int = 1000) -> None:
        count = self.folder / "count"
        local.program(
            self.programs,
            "dnf",
            f"""echo "note=$(test -e {self.note} && echo yes) $*" >>{self.log}
echo x >>{count}
[ $(wc -l <{count}) -le {times} ] || exit 0
echo "{words}"; exit {status}""",
        )

    def run(self, *asked: str, modules: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        script = local.moved(
            installation(asked, modules),
            {
                UNFINISHED: self.note,
                "/run/lock": self.folder,
                "/etc/yum.repos.d": self.folder / "repos",
            },
        )
        return local.run(script, programs=self.programs)

    @property
    def verbs(self) -> list[str]:
        """What was asked of dnf, without its options."""
        return [
            " ".join(word for word in line.split()[1:] if word[0] != "-")
            for line in self.log.read_text().splitlines()
        ]


@pytest.fixture
def dnf(tmp_path: Path) -> Dnf:
    return Dnf(tmp_path)


def test_modules_come_first_and_nobody_is_asked(dnf: Dnf) -> None:
    assert dnf.run("nginx", "tar", modules=("module enable nginx:1.24",)).returncode == 0
    assert dnf.verbs == ["module enable nginx:1.24", "install nginx tar"]
    for line in dnf.log.read_text().splitlines():
        assert line.startswith("note=yes -y -q ")
        assert "--setopt=install_weak_deps=False" in line
    assert not dnf.note.exists()


def test_no_key_is_taken_from_the_network(dnf: Dnf) -> None:
    dnf.run("nginx")
    changed = [word for word in dnf.log.read_text().split() if ".gpgkey=" in word]
    assert changed == ["--setopt=nginx-stable.gpgkey=file:///dev/null"]
    words = "The GPG keys listed for the nginx repository are already installed but they are not"
    dnf.answers(f"{words} correct for this package.", status=1)
    refused = dnf.run("nginx")
    assert (refused.returncode, refused.stderr.splitlines()[-1]) == (1, UNKNOWN_KEY)


def test_a_failure_is_told_and_nothing_follows_it(dnf: Dnf) -> None:
    dnf.answers("Error: Unable to find a match: nginx", status=1)
    failed = dnf.run("nginx", modules=("module enable nginx:1.24",))
    assert (failed.returncode, failed.stderr) == (1, "Error: Unable to find a match: nginx\n")
    assert dnf.verbs == ["module enable nginx:1.24"]
    assert not dnf.note.exists(), "dnf itself ended: nothing is unfinished"


def test_a_lock_of_another_dnf_is_waited_for_and_said(dnf: Dnf) -> None:
    dnf.answers(HELD, status=200, times=3)
    done = dnf.run("nginx")
    assert done.returncode == 0
    assert dnf.pauses.read_text() == "5\n" * 3
    said = f"{shell.PROGRESS}waiting for another dnf: {HELD}"
    assert [line for line in done.stdout.splitlines() if line] == [said]


def test_a_lock_that_is_never_given_up_is_a_sentence(dnf: Dnf) -> None:
    dnf.answers(HELD, status=200)
    done = dnf.run("nginx")
    assert done.returncode == 200
    assert done.stderr.splitlines() == [HELD, LOCKED]
    assert len(dnf.pauses.read_text().splitlines()) == 120


def test_what_was_installed_before_a_power_cut_is_installed_again(dnf: Dnf) -> None:
    dnf.note.touch()
    since = int(dnf.note.stat().st_mtime)
    rows = [(since - 1, "bash"), (since, "nginx"), (since + 9, "gpg-pubkey"), (since + 9, "libpq")]
    said = "\n".join(f"echo {at} {name}" for at, name in rows)
    local.program(dnf.programs, "rpm", said)
    assert dnf.run("tar").returncode == 0
    assert dnf.verbs == ["reinstall nginx libpq", "install tar"]
    assert not dnf.note.exists()


def test_what_can_no_longer_be_had_in_that_version_is_upgraded(dnf: Dnf) -> None:
    dnf.note.touch()
    local.program(dnf.programs, "rpm", "echo 9999999999 nginx")
    dnf.answers("Error: No packages marked for reinstall.", status=1, times=1)
    assert dnf.run().returncode == 0
    assert dnf.verbs == ["reinstall nginx", "upgrade nginx"]
