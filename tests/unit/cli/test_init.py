"""init: the folder of a new site, checked like any other inventory."""

import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mattermost_host.cli.main import main
from mattermost_host.knowledge import releases
from mattermost_host.site.site import Site


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _init(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["init", *arguments])


def test_it_writes_a_folder_that_loads_and_says_the_next_command(here: Path) -> None:
    done = _init("https://chat.example.com", "--host", "192.0.2.10", "--users", "500")
    assert done.exit_code == 0
    folder = here / "chat.example.com"
    written = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert written == {
        ".gitignore",
        "config.py",
        "inventory.py",
        "deploys/site.py",
        "deploys/preflight.py",
    }
    _, settings = Site.described(folder / "inventory.py")
    assert (settings.url, settings.users) == ("https://chat.example.com", 500)
    assert settings.mattermost.release.version == releases.default()
    assert "cd chat.example.com && mattermost-host preflight inventory.py" in done.output
    assert "pyinfra inventory.py deploys/site.py" in done.output


@pytest.mark.parametrize(
    ("folder", "sentence"),
    [
        ("a/b", "the folder a does not exist"),
        ("", "'' is not a folder name"),
        ("-", "standard output (-) can't be used here; write the folder's name"),
    ],
)
def test_a_folder_is_made_below_one_that_exists(here: Path, folder: str, sentence: str) -> None:
    done = _init("https://chat.example.com", folder)
    assert done.exit_code == 1
    assert sentence in done.output
    assert list(here.iterdir()) == []
    (here / "a").mkdir()
    assert _init("https://chat.example.com", "a/b").exit_code == 0
    assert (here / "a/b/deploys/site.py").is_file()


def test_without_a_host_it_is_the_site_s_own_name(here: Path) -> None:
    _init("https://chat.example.com", "site")
    read, _ = Site.described(here / "site" / "inventory.py")
    assert [host.name for host in read.hosts] == ["chat.example.com"]


@pytest.mark.parametrize("again", ["a.test", "A.test", "a.test.", "A.TEST."])
def test_a_host_that_is_named_twice_is_refused(here: Path, again: str) -> None:
    done = _init("https://a.b", "o", "--host", "a.test", "--host", "other", "--host", again)
    assert done.exit_code == 1
    said = f"--host 'a.test' and '{again}' are the same host; leave one of them out"
    assert said in done.output
    assert list(here.iterdir()) == []


def test_every_mistake_is_said_and_nothing_written(here: Path) -> None:
    done = _init("http://chat.example.com", "--users", "0")
    assert done.exit_code == 1
    assert "users: found 0" in done.output
    assert "url: found" in done.output
    assert list(here.iterdir()) == []


@pytest.mark.parametrize("url", ["", "chat", "https://"])
def test_a_wrong_address_is_a_sentence(here: Path, url: str) -> None:
    done = _init(url, "folder")
    assert done.exit_code == 1
    assert done.output.startswith("Error: the new inventory: 1 mistake; ")
    assert list(here.iterdir()) == []


def test_a_folder_that_nobody_could_type_is_refused(here: Path) -> None:
    done = _init("https://chat.example.com", "folder\n")
    assert done.exit_code == 1
    assert "'folder\\n' is not a folder name" in done.output
    assert list(here.iterdir()) == []


@pytest.mark.parametrize("name", ["inventory.py", "config.py", "deploys"])
def test_nothing_is_overwritten(here: Path, name: str) -> None:
    (here / name).touch()
    done = _init("https://chat.example.com", ".")
    assert done.exit_code == 1
    assert f"already has {name}" in done.output
    assert [path.name for path in here.iterdir()] == [name]


def test_a_folder_that_can_not_be_written_is_a_sentence(here: Path) -> None:
    (here / "file").touch()
    done = _init("https://chat.example.com", "file/folder")
    assert done.exit_code == 1
    assert "file/folder: Not a directory" in done.output


def test_files_have_their_modes_under_any_umask(here: Path) -> None:
    before = os.umask(0)
    try:
        _init("https://chat.example.com", "site")
    finally:
        os.umask(before)
    modes = {oct(path.stat().st_mode & 0o777) for path in (here / "site").rglob("*")}
    assert modes == {"0o755", "0o644"}


def test_in_the_folder_itself_no_cd_is_said() -> None:
    assert "Next: mattermost-host preflight inventory.py" in _init("https://a.test", ".").output
