"""What nobody expected: a sentence, a file with the traceback, and exit status 1."""

import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from pyinfra.api.exceptions import PyinfraError

from mattermost_host.cli.sentences import Sentences
from mattermost_host.support.errors import OperatorError

BREAKS: dict[str, BaseException] = {
    "defect": KeyError("hunter2"),
    "host": PyinfraError("the line is dead"),
    "operator": OperatorError("there is no inventory"),
    "usage": click.UsageError("no such option"),
    "abort": click.Abort(),
    "interrupt": KeyboardInterrupt(),
    "pipe": BrokenPipeError(),
    "disk": OSError(28, "No space left on device", "/srv/plan.json"),
    "memory": RecursionError("too deep"),
}


@click.group(cls=Sentences)
def group() -> None:
    """A group whose commands break."""


@group.command()
@click.argument("kind")
def breaks(kind: str) -> None:
    """Break in one of the ways."""
    raise BREAKS[kind]


def _run(kind: str) -> Result:
    return CliRunner().invoke(group, ["breaks", kind])


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path


def test_a_defect_is_a_sentence_and_its_traceback_a_private_file(state: Path) -> None:
    done = _run("defect")
    assert done.exit_code == 1
    assert "an unexpected KeyError" in done.output
    assert "Traceback" not in done.output
    assert "hunter2" not in done.output
    (file,) = (state / "mattermost-host/errors").iterdir()
    assert str(file) in done.output
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "Traceback" in file.read_text()


@pytest.mark.parametrize(
    ("kind", "status", "words"),
    [
        ("host", 1, "Error: the line is dead"),
        ("operator", 1, "Error: there is no inventory"),
        ("usage", 1, "no such option"),
        ("abort", 1, "Aborted!"),
        ("interrupt", 1, "Aborted!"),
        ("disk", 1, "/srv/plan.json: No space left on device; details are in"),
        ("memory", 1, "an unexpected RecursionError"),
    ],
)
@pytest.mark.usefixtures("state")
def test_every_end_has_its_words_and_status(kind: str, status: int, words: str) -> None:
    done = _run(kind)
    assert done.exit_code == status
    assert words in done.output
    assert "Traceback" not in done.output


def test_where_no_folder_can_be_written_the_sentence_remains(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path / "file"))
    done = _run("defect")
    assert done.exit_code == 1
    assert re.search("unexpected KeyError.*could not be written", done.output)


def test_an_output_that_is_closed_ends_in_silence(tmp_path: Path) -> None:
    script = "from mattermost_host.cli.entry import main; main()"
    argv = [sys.executable, "-c", script, "--help"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        said = process.stderr.read().decode()
    assert "Traceback" not in said


@pytest.mark.parametrize("where", ["config.py", "deploys/site.py"])
def test_pyinfra_s_own_command_ends_with_a_sentence_too(
    where: str, tmp_path: Path, state: Path
) -> None:
    """A defect in what config.py or the deploy calls."""
    inventory = tmp_path / "example.py"
    site = {"url": "https://chat.example.com", "users": 50}
    inventory.write_text(f'site = {site!r}\napp = db = proxy = ["@fake/host"]\n')
    broken = "load_for_pyinfra" if where == "config.py" else "current"
    script = (
        "from pyinfra_cli.main import main\n"
        "from mattermost_host.site.site import Site\n"
        f"Site.{broken} = classmethod(lambda _: 1 / 0)\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "-y", str(inventory), "deploys/site.py"],
        cwd=Path(__file__).parents[3],
        env={**os.environ, "XDG_STATE_HOME": str(state)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 1
    assert "an unexpected ZeroDivisionError" in said
    assert "Traceback" not in said
