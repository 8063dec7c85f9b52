"""The launcher against virtual environments that died in earnest, and one that works.

The checkout is a small one; its scripts/setup makes an environment as the real one does, without
packages from the network.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mattermost_host.drift import memory, schedule
from mattermost_host.drift.schedule import Places
from mattermost_host.site.site import Site

SETUP = """#!/bin/sh
set -e
cd "$(dirname "$0")/.."
echo setup >>setup.log
[ ! -e refuse ] || { echo "pip found no network"; exit 1; }
# As the real one: an interpreter that starts is taken for an environment that works.
.venv/bin/python -c '' 2>/dev/null && exit 0
rm -rf .venv
"$PYTHON" -m venv --without-pip .venv
packages=$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
echo "$PWD/src" >"$packages/checkout.pth"
"""


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout whose environment works."""
    made = tmp_path / "check out's"
    package = made / "src/mattermost_host"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "cli").mkdir()
    (package / "cli/__init__.py").touch()
    (package / "cli/main.py").touch()
    (made / "scripts").mkdir()
    (made / "scripts/setup").write_text(SETUP)
    (made / "scripts/setup").chmod(0o755)
    (made / "config.py").touch()
    monkeypatch.setattr(schedule, "ENVIRONMENT", made / ".venv")
    monkeypatch.setattr(schedule, "SETUP", made / "scripts/setup")
    monkeypatch.chdir(made)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    _setup(made)
    _write_launcher(made)
    return made


def _setup(checkout: Path) -> None:
    argv = [str(checkout / "scripts/setup")]
    subprocess.run(argv, env={"PYTHON": sys.executable, "PATH": "/usr/bin:/bin"}, check=True)
    (checkout / "setup.log").unlink()


def _write_launcher(checkout: Path) -> None:
    """Put what `schedule` would install beside the checkout."""
    inventory = checkout / "chat.py"
    inventory.write_text(
        "site = {'url': 'https://chat.example.com', 'users': 9}\napp = db = proxy = ['h1']\n"
    )
    places = Places(checkout.parent, checkout.parent, True)
    launcher, *_ = schedule.files(Site.load(inventory), "daily", None, places).values()
    (checkout.parent / "launcher").write_text(launcher)


def _launch(checkout: Path, *arguments: str, result: str = "") -> tuple[int, list[str]]:
    """Exit status and lines of the launcher, run as the service does."""
    path = f"{Path(sys.executable).resolve().parent}:/usr/bin:/bin"
    done = subprocess.run(
        ["/bin/sh", str(checkout.parent / "launcher"), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={"PYTHON": sys.executable, "PATH": path, "SERVICE_RESULT": result},
        umask=0o077,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout.splitlines()


def _setups(checkout: Path) -> int:
    log = checkout / "setup.log"
    return len(log.read_text().splitlines()) if log.exists() else 0


def _works(checkout: Path) -> bool:
    argv = [str(checkout / ".venv/bin/python"), "-c", "import mattermost_host.cli.main"]
    try:
        return subprocess.run(argv, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def _gone(checkout: Path) -> None:
    """The old Python was removed from the machine."""
    for link in (checkout / ".venv/bin").glob("python*"):
        if link.is_symlink() and link.readlink().is_absolute():
            link.unlink()
            link.symlink_to("/usr/bin/python3.0-that-was")


def _another(checkout: Path) -> None:
    """The Python of that name is of another minor version now, so it looks for its own folder."""
    (packages,) = (checkout / ".venv/lib").glob("python3.*")
    packages.rename(packages.with_name("python3.0"))


def _no_environment(checkout: Path) -> None:
    shutil.rmtree(checkout / ".venv")


def _half_made(checkout: Path) -> None:
    """A power cut while it was built: an interpreter, no packages, and the old one aside."""
    shutil.copytree(checkout / ".venv", checkout / ".venv.before", symlinks=True)
    next((checkout / ".venv/lib").glob("python3.*/site-packages/checkout.pth")).unlink()


DEATHS = pytest.mark.parametrize("die", [_gone, _another, _no_environment, _half_made])


def test_an_environment_that_works_is_left_alone(checkout: Path) -> None:
    assert _launch(checkout) == (0, [])
    assert _setups(checkout) == 0
    state = memory.folder(checkout / "chat.py")
    assert state.is_dir() and state.stat().st_mode & 0o777 == 0o700


@DEATHS
def test_an_environment_that_died_is_built_anew(checkout: Path, die) -> None:  # type: ignore[no-untyped-def]
    die(checkout)
    assert not _works(checkout)
    status, lines = _launch(checkout)
    assert status == 0, lines
    assert (checkout / ".venv/bin").stat().st_mode & 0o777 == 0o755
    assert lines[0].startswith("<4>The virtual environment ") and "rebuilt" in lines[0]
    assert re.search(r"^<5>The virtual environment works again, with Python 3\.", lines[-1])
    assert _works(checkout)
    assert _setups(checkout) == 1
    assert not (checkout / ".venv.before").exists()
    assert _launch(checkout) == (0, [])


@DEATHS
def test_where_that_fails_the_journal_says_so(checkout: Path, die) -> None:  # type: ignore[no-untyped-def]
    die(checkout)
    before = sorted(path.name for path in checkout.glob(".venv/bin/*"))
    (checkout / "refuse").touch()
    status, lines = _launch(checkout)
    assert status == 1
    assert lines[1] == "pip found no network"
    (said,) = (line for line in lines if line.startswith("<2>"))
    assert said == lines[-1] and "chat.py is not watched" in said
    assert sorted(path.name for path in checkout.glob(".venv/bin/*")) == before
    assert not (checkout / ".venv.before").exists()
    (checkout / "refuse").unlink()
    assert _launch(checkout)[0] == 0, "the next run tries again"


def test_a_checkout_that_is_broken_keeps_its_environment(checkout: Path) -> None:
    """Another environment does not help against a mistake in the source."""
    cli = checkout / "src/mattermost_host/cli/main.py"
    cli.write_text("import nothing_of_that_name\n")
    inode = (checkout / ".venv").stat().st_ino
    status, lines = _launch(checkout)
    assert status == 1
    assert "nothing_of_that_name" in lines[0]
    assert (checkout / ".venv").stat().st_ino == inode
    cli.write_text("")
    assert _launch(checkout) == (0, [])


def test_a_checkout_that_is_gone(checkout: Path) -> None:
    shutil.rmtree(checkout)
    status, lines = _launch(checkout)
    assert status == 1
    assert lines[-1].startswith("<2>The folder ") and "not watched any more" in lines[-1]


def test_code_that_somebody_else_may_write_is_not_run(checkout: Path) -> None:
    """Neither before the run, nor after it to tell of a failure."""
    command = checkout / ".venv/bin/mattermost-host"
    command.write_text("#!/bin/sh\necho ran\n")
    command.chmod(0o755)
    (checkout / "src/mattermost_host/cli/main.py").chmod(0o666)
    for arguments in ([], ["failed"]):
        status, lines = _launch(checkout, *arguments, result="exit-code")
        assert status == 1
        assert lines[-1].startswith("<2>Somebody else could change what is run here")
        assert "cli/main.py is writable by every user" in lines[-1]
        assert "ran" not in lines


@pytest.mark.parametrize(("result", "told"), [("success", False), ("oom-kill", True)])
def test_a_run_that_failed_is_told(checkout: Path, result: str, told: bool) -> None:
    command = checkout / ".venv/bin/mattermost-host"
    command.write_text('#!/bin/sh\necho "$@"\n')
    command.chmod(0o755)
    said = [f"drift {checkout / 'chat.py'} --tell-failure"] if told else []
    assert _launch(checkout, "failed", result=result) == (0, said)


def test_the_environment_of_an_installed_package_is_not_built_anew(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schedule, "SETUP", checkout / "lib/scripts/setup")
    _write_launcher(checkout)
    assert _launch(checkout) == (0, [])
    _gone(checkout)
    status, lines = _launch(checkout)
    assert (status, _setups(checkout)) == (1, 0)
    assert "make it anew, so drift of" in lines[-1]
