"""Packages: what is missing is installed, and no service starts on the way."""

import fcntl
import os
import subprocess
from pathlib import Path

import pytest

from mattermost_host.engine import shell
from mattermost_host.ops import packages
from mattermost_host.ops.apt import INSTALL, LOCKED, POLICY
from mattermost_host.ops.packages import PackageStates
from tests.unit import local
from tests.unit.fake_host import answering, plan

BOTH = PackageStates(("nginx", "curl"), "apt")


def _shell(found: dict[str, str]) -> str:
    return plan(
        lambda: packages.installed(
            name="both are installed", packages=["nginx", "curl"], manager="apt"
        ),
        answer=answering({BOTH: found}),
    ).shell


def test_answers_in_commands_out() -> None:
    assert _shell({"nginx": "1.22", "curl": "7.88"}) == ""
    assert _shell({"nginx": "1.22"}).endswith(" install curl")
    assert _shell({}).endswith(" install nginx curl")
    assert _shell({"nginx": "1.22", "curl": "7.88", "policy": "0"}) == f"rm -f {POLICY}"


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        ([], {}),
        (["nginx installed 1.22.1-9"], {"nginx": "1.22.1-9"}),
        # Removed with its configuration kept, and never installed.
        (["nginx config-files 1.22.1-9", "curl not-installed "], {}),
        (["policy installed 0"], {"policy": "0"}),
    ],
)
def test_reading(lines: list[str], found: dict[str, str]) -> None:
    assert BOTH.parse(lines) == found


class Apt:
    """apt and dpkg that only write down what they were asked, and a host in a folder."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.programs = folder / "programs"
        self.policy = folder / "policy-rc.d"
        self.lists = folder / "lists"
        self.sources = folder / "sources"
        self.log = folder / "log"
        self.lists.mkdir()
        self.sources.mkdir()
        self.log.touch()
        self.answers("apt-get")
        self.answers("dpkg")
        self.pauses = folder / "pauses"
        local.program(self.programs, "sleep", f"echo $* >>{self.pauses}")

    def answers(self, name: str, status: int = 0) -> None:
        allowed = f"{{ [ -x {self.policy} ] && {self.policy} nginx start || echo $?; }}"
        script = f'echo "{name} $* policy=$({allowed})" >>{self.log}; exit {status}'
        local.program(self.programs, name, script)

    def locked(self, name: str, words: str, times: int) -> None:
        """What it says while another holds a lock, before it works."""
        count = self.folder / f"{name}-count"
        local.program(
            self.programs,
            name,
            f"""echo x >>{count}
[ $(wc -l <{count}) -le {times} ] || {{ echo "{name} $*" >>{self.log}; exit 0; }}
echo "{words}" >&2; exit 100""",
        )

    def install(self) -> int:
        return self.run().returncode

    def run(self) -> subprocess.CompletedProcess[str]:
        script = local.moved(
            f"{INSTALL} nginx",
            {
                POLICY: self.policy,
                "/run/lock": self.policy.parent,
                "/var/lib/apt/lists": self.lists,
                "/etc/apt/sources.list.d": self.sources,
            },
        )
        return local.run(script, programs=self.programs)

    @property
    def verbs(self) -> list[str]:
        lines = self.log.read_text().splitlines()
        return [verb for line in lines for verb in ("update", "install") if f" {verb}" in line]


@pytest.fixture
def apt(tmp_path: Path) -> Apt:
    return Apt(tmp_path)


def test_no_service_may_start_meanwhile_and_the_lock_is_gone_afterwards(apt: Apt) -> None:
    assert apt.install() == 0
    install = apt.log.read_text().splitlines()[-1]
    assert "--no-install-recommends" in install
    assert "--force-confold install nginx" in install
    assert install.endswith("policy=101")
    assert not apt.policy.exists()


def test_neither_debconf_nor_needrestart_asks_or_restarts_anything(apt: Apt) -> None:
    told = 'echo "$DEBIAN_FRONTEND $NEEDRESTART_SUSPEND"'
    local.program(apt.programs, "apt-get", f"{told} >>{apt.log}")
    assert apt.install() == 0
    assert set(apt.log.read_text().splitlines()[1:]) == {"noninteractive 1"}


def test_a_failure_is_told_and_the_lock_is_gone_all_the_same(apt: Apt) -> None:
    apt.answers("apt-get", status=100)
    assert apt.install() == 100
    assert not apt.policy.exists()


def test_somebody_elses_lock_stays(apt: Apt) -> None:
    apt.policy.write_text("#!/bin/sh\nexit 101\n")
    assert apt.install() == 0
    assert apt.policy.exists()


def test_the_lock_of_a_killed_run_goes(apt: Apt) -> None:
    apt.policy.write_text("#!/bin/sh\n# mattermost-host: …\nexit 101\n")
    assert apt.install() == 0
    assert not apt.policy.exists()


def test_the_lists_are_refreshed_when_old_missing_or_older_than_a_source(apt: Apt) -> None:
    assert apt.install() == 0
    assert apt.verbs == ["update", "install"]
    apt.log.write_text("")
    lists = apt.lists / "debian_main_Packages"
    lists.touch()
    os.utime(apt.sources, (0, 0))
    assert apt.install() == 0
    assert apt.verbs == ["install"]
    apt.log.write_text("")
    (apt.sources / "pgdg.sources").touch()
    a_minute_ago = lists.stat().st_mtime - 60
    os.utime(lists, (a_minute_ago, a_minute_ago))
    assert apt.install() == 0
    assert apt.verbs == ["update", "install"]


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("apt-get", "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 7 (apt)"),
        ("apt-get", "E: Unable to lock directory /var/cache/apt/archives/"),
        ("dpkg", "dpkg: error: dpkg frontend lock was locked by another process with pid 7"),
    ],
)
def test_a_lock_of_another_apt_is_waited_for_and_said(apt: Apt, program: str, words: str) -> None:
    apt.locked(program, words, times=3)
    done = apt.run()
    assert done.returncode == 0
    assert apt.pauses.read_text() == "5\n" * 3
    said = f"{shell.PROGRESS}waiting for another apt or dpkg: {words}"
    assert done.stdout.split("\n\n")[0].strip() == said
    assert done.stdout.count(shell.PROGRESS) == 1, "once, however long it takes"
    assert apt.verbs[-1:] == ["install"]


def test_a_lock_that_is_never_given_up_is_a_sentence(apt: Apt) -> None:
    words = "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 7 (apt)"
    apt.locked("apt-get", words, times=1000)
    done = apt.run()
    assert done.returncode == 100
    assert done.stderr.splitlines()[-2:] == [words, LOCKED]
    assert len(apt.pauses.read_text().splitlines()) == 120
    assert not apt.policy.exists()


def test_an_earlier_run_that_still_installs_is_waited_for_and_said(apt: Apt) -> None:
    with (apt.policy.parent / "mattermost-host.packages").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        local.program(apt.programs, "flock", 'case $1 in -n) exec /usr/bin/flock "$@";; esac')
        waited = apt.run()
        local.program(apt.programs, "flock", "exit 1")
        late = apt.run()
    told = "the installation of packages by an earlier run"
    assert (waited.returncode, waited.stdout.strip()) == (0, f"{shell.PROGRESS}waiting for {told}")
    assert late.returncode == 1
    assert late.stderr == f"{told} has not ended within 10 minutes; see what it waits for\n"


def test_a_real_dpkg_answers(tmp_path: Path) -> None:
    if not Path("/usr/bin/dpkg-query").exists():
        pytest.skip("this machine has no dpkg-query")
    found = local.ask_here(PackageStates(("dpkg", "no-such-package-anywhere"), "apt"))
    assert set(found) <= {"dpkg", "policy"}
    assert found["dpkg"][0].isdigit()
