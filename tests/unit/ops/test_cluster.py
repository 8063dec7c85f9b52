"""An empty cluster is made once; what is in its folder is never deleted. By the real shell."""

import subprocess
from pathlib import Path

import pytest

from mattermost_host.knowledge.clusters import Cluster
from mattermost_host.knowledge.families import ENTERPRISE_LINUX
from mattermost_host.ops import cluster as cluster_of_host
from mattermost_host.ops.cluster import AskFolder, Folder
from tests.unit import local
from tests.unit.fake_host import Plan, answering, plan

CLUSTER = ENTERPRISE_LINUX.cluster(16)


class Host:
    """A folder in the place of a host, with programs that act like the real ones."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        self.data.mkdir()
        self.marks = folder / "marks"
        self.programs = folder / "programs"
        self.setup_says("true")
        for name in ("systemctl", "tail"):
            local.program(self.programs, name, "true")
        local.program(self.programs, "setpriv", 'while [ "${1#--}" != "$1" ]; do shift; done; "$@"')
        self.places = {
            CLUSTER.data: self.data,
            cluster_of_host.MARKS: self.marks,
            cluster_of_host.LOCK: folder / "lock",
        }

    @property
    def mark(self) -> Path:
        return self.marks / "making-var-lib-pgsql-data"

    def setup_says(self, script: str) -> None:
        made = f"mkdir -p {self.data}; echo 16 >{self.data}/PG_VERSION"
        local.program(
            self.programs,
            "postgresql-setup",
            f'{made}\necho "$@" >>{self.data}/asked\n'
            f'echo "$PGSETUP_INITDB_OPTIONS" >{self.data}/options\n{script}',
        )

    def state(self) -> Folder:
        question = AskFolder(CLUSTER.data)
        script = question.script().replace(question.mark, str(self.mark))
        script = local.moved(script, {CLUSTER.data: self.data})
        return question.parse(local.run(script, (), self.programs).stdout.splitlines())

    def run(self) -> subprocess.CompletedProcess[str]:
        shell = _planned(self.state()).shell
        question = AskFolder(CLUSTER.data)
        shell = shell.replace(question.mark, str(self.mark))
        return local.run(local.moved(shell, self.places), (), self.programs)


def _planned(state: Folder, cluster: Cluster = CLUSTER) -> Plan:
    return plan(
        cluster_of_host.made,
        name="its cluster exists",
        cluster=cluster,
        locale="en_US.UTF-8",
        answer=answering({AskFolder(cluster.data): state}),
    )


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_an_empty_folder_gets_a_cluster_with_checksums_and_the_locale(host: Host) -> None:
    done = host.run()
    assert done.returncode == 0, done.stderr
    assert (host.data / "asked").read_text() == "--initdb\n"
    options = (host.data / "options").read_text().split()
    assert options == [
        "--data-checksums",
        "--encoding=UTF8",
        "--locale=en_US.UTF-8",
        "--auth-local=peer",
        "--auth-host=scram-sha-256",
    ]
    assert not host.mark.exists()
    assert host.state() == Folder("16", filled=True)
    assert _planned(host.state()).changed == []


def test_a_missing_folder_does_as_well(host: Host) -> None:
    host.data.rmdir()
    assert host.state() == Folder()
    assert host.run().returncode == 0
    assert host.state().version == "16"


def test_what_a_killed_run_left_is_moved_aside_and_made_anew(host: Host) -> None:
    host.setup_says("kill -KILL $PPID; exit 1")
    assert host.run().returncode != 0
    assert host.mark.exists()
    assert host.state().unfinished
    host.setup_says("true")
    done = host.run()
    assert done.returncode == 0, done.stderr
    assert not host.mark.exists()
    (aside,) = host.data.parent.glob("data.unfinished-*")
    assert (aside / "PG_VERSION").exists()
    assert _planned(host.state()).changed == []


def test_a_cluster_on_which_a_server_ran_stays_whatever_the_mark_says(host: Host) -> None:
    assert host.run().returncode == 0
    (host.data / "postmaster.opts").touch()
    host.mark.touch()
    before = sorted(host.data.iterdir())
    assert host.run().returncode == 0
    assert sorted(host.data.iterdir()) == before
    assert (host.data / "asked").read_text() == "--initdb\n"
    assert not host.mark.exists()


def test_what_is_no_cluster_and_not_ours_stops_the_run(host: Host) -> None:
    (host.data / "lost+found").mkdir()
    assert host.state().foreign
    done = host.run()
    assert done.returncode == 1
    assert done.stderr.strip() == (
        f"{host.data} is not empty, and holds no cluster: move away what is there (lost+found)."
    )
    assert [one.name for one in host.data.iterdir()] == ["lost+found"]


def test_a_cluster_that_cannot_be_made_says_why_and_the_next_run_tries_again(host: Host) -> None:
    host.setup_says(f"rm -rf {host.data}/*; exit 1")
    local.program(host.programs, "tail", "echo 'initdb: error: invalid locale name'")
    done = host.run()
    assert done.returncode == 1
    assert "invalid locale name" in done.stderr
    host.setup_says("true")
    assert host.run().returncode == 0
    assert not list(host.data.parent.glob("data.unfinished-*"))


def test_the_state_of_a_cluster_is_told_in_the_plan() -> None:
    for state, changes in (
        (Folder(), True),
        (Folder(filled=True, begun=True), True),
        (Folder("16", filled=True, begun=True, started=True), True),
        (Folder("16", filled=True, started=True), False),
    ):
        assert bool(_planned(state).changed) == changes, state
