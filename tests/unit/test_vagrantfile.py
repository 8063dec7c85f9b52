"""The Vagrantfile: vagrant itself reads it, and it names only what the project has."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
VAGRANTFILE = PROJECT / "Vagrantfile"


def _validate(folder: Path, home: Path) -> subprocess.CompletedProcess[str]:
    """``vagrant validate`` without a hypervisor, its own files in ``home``."""
    vagrant = shutil.which("vagrant")
    if vagrant is None:
        pytest.skip("vagrant is not installed on this machine (Debian's package: vagrant)")
    quiet = {"VAGRANT_CHECKPOINT_DISABLE": "1", "VAGRANT_HOME": str(home), "HOME": str(home)}
    return subprocess.run(
        [vagrant, "validate", "--ignore-provider"],
        cwd=folder,
        env={**os.environ, **quiet, "VAGRANT_DOTFILE_PATH": str(home / "dot")},
        capture_output=True,
        text=True,
        check=False,
    )


def test_vagrant_accepts_it(tmp_path: Path) -> None:
    done = _validate(PROJECT, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Vagrantfile validated successfully" in done.stdout


def test_vagrant_would_say_if_it_did_not(tmp_path: Path) -> None:
    text = VAGRANTFILE.read_text(encoding="utf-8")
    (tmp_path / "Vagrantfile").write_text(text.replace("config.vm.box =", "config.vm.bx ="))
    done = _validate(tmp_path, tmp_path / "home")
    assert done.returncode != 0
    assert "bx" in done.stdout + done.stderr


def test_what_it_runs_is_there() -> None:
    text = VAGRANTFILE.read_text(encoding="utf-8")
    assert "-y #{HOME}/local.py deploys/site.py" in text
    for path in [*re.findall(r"/vagrant/(\S+\.py)", text), "deploys/site.py"]:
        assert (PROJECT / path).is_file(), path


def test_the_machine_is_as_large_as_promised() -> None:
    text = VAGRANTFILE.read_text(encoding="utf-8")
    assert 'config.vm.box = "debian/bookworm64"' in text
    assert "machine.cpus = 2" in text
    assert "machine.memory = 4096" in text


def test_the_shell_in_it_is_shell() -> None:
    text = VAGRANTFILE.read_text(encoding="utf-8")
    script = text.partition("inline: <<~SHELL\n")[2].partition("  SHELL\n")[0]
    assert "apt-get" in script
    subprocess.run(["sh", "-n"], input=script.replace("#{HOME}", "/root/x"), text=True, check=True)
