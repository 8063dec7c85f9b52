"""cloud-init is waited for before packages are installed, and not for ever."""

import subprocess
from pathlib import Path

import pytest

from mattermost_host.knowledge.families import PackageManager
from mattermost_host.ops import first_boot, packages
from mattermost_host.ops.packages import PackageStates
from tests.unit import local
from tests.unit.fake_host import answering, plan


class Host:
    """A host in a folder, on which cloud-init ends after some pauses."""

    def __init__(self, folder: Path, ends_after: int = 1000):
        self.run_folder = folder / "cloud-init"
        self.run_folder.mkdir()
        self.pauses = folder / "pauses"
        self.programs = folder / "programs"
        ending = (
            f"[ $(wc -l <{self.pauses}) -lt {ends_after} ] || touch {self.run_folder}/result.json"
        )
        local.program(self.programs, "sleep", f"echo $* >>{self.pauses}; {ending}")

    def waits(self) -> subprocess.CompletedProcess[str]:
        script = local.moved(first_boot.WAIT, {"/run/cloud-init": self.run_folder})
        return local.run(f"set -eu\n{script}echo installs", programs=self.programs)


def test_a_host_without_cloud_init_or_after_it_is_not_waited_for(tmp_path: Path) -> None:
    host = Host(tmp_path)
    assert host.waits().stdout == "installs\n"
    for name in ("enabled", "result.json"):
        (host.run_folder / name).touch()
    assert host.waits().stdout == "installs\n"
    assert not host.pauses.exists()


def test_cloud_init_is_waited_for_and_said_once(tmp_path: Path) -> None:
    host = Host(tmp_path, ends_after=3)
    (host.run_folder / "enabled").touch()
    done = host.waits()
    assert done.stdout.endswith("waiting for cloud-init to end\ninstalls\n")
    assert done.stdout.count("\n") == 2
    assert host.pauses.read_text() == "5\n" * 3


def test_a_cloud_init_that_never_ends_is_a_sentence(tmp_path: Path) -> None:
    host = Host(tmp_path)
    (host.run_folder / "enabled").touch()
    done = host.waits()
    assert done.returncode == 1
    assert "installs" not in done.stdout
    assert done.stderr == f"{first_boot.TOO_LONG}\n"
    assert len(host.pauses.read_text().splitlines()) == first_boot.LIMIT_S // first_boot.PAUSE_S


@pytest.mark.parametrize("manager", ["apt", "dnf"])
def test_every_installation_begins_with_it(manager: PackageManager) -> None:
    done = plan(
        lambda: packages.installed(name="it is installed", packages=["nginx"], manager=manager),
        answer=answering({PackageStates(("nginx",), manager): {}}),
    )
    assert done.shell.startswith(first_boot.WAIT)
