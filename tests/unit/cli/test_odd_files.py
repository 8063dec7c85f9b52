"""What is no ordinary file of the caller's in the place of one: a sentence, at once."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from mattermost_host.cli import init
from mattermost_host.cli.main import main
from tests.unit import odd_files

SECRET = ("inventory.secrets.toml", "inventory.authority-key.pem")
CODE = ("inventory.py", "config.py", "deploys/site.py", "group_data/app.py")
LIMIT_S = 30


KINDS = (*odd_files.KINDS, odd_files.unreadable)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder as `init` writes it, whose host does not answer. Who waits is woken."""
    init.write(tmp_path, "https://chat.example.com", 50, ["h.invalid"])
    (tmp_path / "group_data").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))

    def late(*_: object) -> None:
        raise AssertionError("it waits")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(LIMIT_S)
    yield tmp_path
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", [*SECRET, *CODE, "inventory.ca.pem", "inventory.lock"])
@pytest.mark.parametrize("command", ["plan", "drift"])
def test_it_is_a_sentence(
    folder: Path, command: str, name: str, kind: Callable[[Path], None]
) -> None:
    if (os.geteuid() == 0) != (kind is odd_files.foreign) and kind in {
        odd_files.foreign,
        odd_files.unreadable,
    }:
        pytest.skip("root reads everything, and nobody else gives files away")
    (folder / name).unlink(missing_ok=True)
    kind(folder / name)
    done = CliRunner().invoke(main, [command, "inventory.py"])
    assert done.exit_code == 1, done.output
    assert "Traceback" not in done.output and "an unexpected" not in done.output, done.output
    output = done.output.replace("\n", "")
    # The authority's public certificate is written anew, and a look needs no lock.
    said = "h.invalid" if name in {"inventory.ca.pem", "inventory.lock"} else name
    assert said in output, done.output
