"""Command lines of every kind, and the command's surroundings: a sentence and exit status 1."""

import os
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mattermost_host.cli.main import main

COMMANDS = sorted(main.commands)
LONGEST = 2_000
WORDS = st.one_of(
    st.text(st.characters(exclude_characters="\0"), max_size=12),
    st.sampled_from(
        [
            "",
            "-",
            "--",
            ".",
            "/",
            "/dev/null",
            "/dev/full",
            "/nowhere/x",
            "missing.py",
            "folder",
            "fifo",
            "latin1.py",
            "binary.py",
            "syntax.py",
            "exits.py",
            "raises.py",
            "empty.py",
            "x" * 5000,
            "a\nb",
            "\udcff",
            "-oProxyCommand=x",
            "https://chat.example.com",
        ]
    ),
)
FILES = {
    "latin1.py": "site = {'url': 'ü'}".encode("latin-1"),
    "binary.py": b"\0\xff" * 1000,
    "syntax.py": b"site = {",
    "exits.py": b"raise SystemExit(0)",
    "raises.py": b"class E(BaseException): pass\nraise E('x')",
    "empty.py": b"",
}

SITE = """
site = {"url": "https://chat.example.com", "users": 50}
app = db = proxy = ["h1"]
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with inventories of odd kinds."""
    folder = tmp_path_factory.mktemp("place")
    (folder / "folder").mkdir()
    os.mkfifo(folder / "fifo")
    for name, content in FILES.items():
        (folder / name).write_bytes(content)
    return folder


def _options(command: str) -> list[str]:
    options = [one for one in main.commands[command].params if isinstance(one, click.Option)]
    return ["--help", *(name for option in options for name in option.opts)]


@pytest.fixture
def here(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(place)
    for name in ("XDG_STATE_HOME", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    return tmp_path


@pytest.mark.parametrize("command", [one for one in COMMANDS if one != "init"])
@settings(
    max_examples=60,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
@pytest.mark.usefixtures("here")
def test_no_command_line_gives_a_traceback(command: str, data: Any) -> None:
    words = st.one_of(WORDS, st.sampled_from(_options(command)))
    arguments = data.draw(st.lists(words, max_size=4))
    _judge([command, *arguments], data.draw(st.sampled_from(sorted(FILES))))


@pytest.mark.parametrize(
    "command", [one for one in COMMANDS if one not in ("init", "schedule", "size")]
)
@pytest.mark.parametrize("name", [*FILES, "folder", "fifo", "missing.py", "x" * 5000, "\udcff", ""])
@pytest.mark.usefixtures("here")
def test_every_command_refuses_what_is_no_inventory(command: str, name: str) -> None:
    output = _judge([command, "--", name], "")
    expected = ascii(name) if not name.isprintable() else name[:200]
    assert expected in output


def _judge(arguments: list[str], inventory: str) -> str:
    done = CliRunner().invoke(main, [*arguments, inventory] if inventory else arguments)
    reads_no_inventory = {"-h", "--help", "--history"} & set(arguments) and done.exit_code == 0
    assert reads_no_inventory or done.exit_code == 1, (arguments, done.output)
    assert done.exception is None or isinstance(done.exception, SystemExit)
    assert "Traceback" not in done.output
    assert "INTERNALERROR" not in done.output
    assert "an unexpected" not in done.output, done.output
    assert max(map(len, done.output.splitlines())) < LONGEST
    return done.output


@pytest.mark.parametrize(
    ("option", "file", "words"),
    [
        ("--json", "missing/plan.json", "the folder missing does not exist"),
        ("--junit", "missing/plan.xml", "the folder missing does not exist"),
        ("--json", "folder", "is a directory"),
        ("--json", "", "is not a file name"),
        ("--json", "empty.py/x", "Not a directory"),
        ("--json", "x" * 5000, "too long"),
    ],
)
@pytest.mark.usefixtures("here")
def test_a_report_that_can_not_be_written_is_refused_before_any_work(
    option: str, file: str, words: str
) -> None:
    done = CliRunner().invoke(main, ["plan", "exits.py", option, file])
    assert done.exit_code == 1
    assert words in done.output


def _really(place: Path, shell: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command in a shell of its own: ``$M`` is the command."""
    code = "from mattermost_host.cli.entry import main; main()"
    state = {name: str(place / "state") for name in ("XDG_STATE_HOME", "XDG_CACHE_HOME")}
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    given_: Mapping[str, str] = {**buffered, **state, "P": sys.executable, "C": code}
    return subprocess.run(
        ["sh", "-c", f'M() {{ "$P" -c "$C" "$@"; }}; {shell}'],
        cwd=place,
        env={**given_, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )


@pytest.mark.parametrize(
    "shell",
    [
        "M plan missing.py >&-",
        "M plan missing.py <&-",
        "M plan missing.py >&- 2>&-",
        "M --help >/dev/full",
        "M --help | true",
        "M plan missing-ü.py",
        "mkdir gone && cd gone && rmdir ../gone && M plan missing.py",
        "unset HOME; M plan missing.py",
    ],
)
def test_no_surroundings_give_a_traceback(tmp_path: Path, shell: str) -> None:
    done = _really(tmp_path, shell, PYTHONIOENCODING="ascii")
    assert "Traceback" not in done.stderr + done.stdout, done.stderr
    assert "Exception ignored" not in done.stderr
    assert done.returncode == (0 if "|" in shell else 1)


def test_a_full_disk_is_named(tmp_path: Path) -> None:
    done = _really(tmp_path, "M --help >/dev/full")
    assert "standard output can't be written: No space left on device" in done.stderr


def test_where_stdout_is_closed_the_error_is_still_read(tmp_path: Path) -> None:
    done = _really(tmp_path, "M plan missing.py >&-")
    assert "there is no inventory file missing.py" in done.stderr


def test_files_never_get_the_number_of_a_closed_stream(tmp_path: Path) -> None:
    code = (
        "from mattermost_host.cli.entry import open_streams; import os; open_streams()\n"
        "assert os.open('/dev/null', os.O_RDONLY) > 2"
    )
    done = _really(tmp_path, f'"$P" -c "{code}" <&- >&-')
    assert done.returncode == 0, done.stderr


def test_a_long_word_is_cut_and_the_usage_stays(place: Path) -> None:
    done = CliRunner().invoke(main, ["plan", "--" + "x" * 5000])
    assert done.exit_code == 1
    assert done.output.startswith("Usage: ") and "plan --help" in done.output
    assert done.output.rstrip().endswith("x…")
    short = CliRunner().invoke(main, ["plan", "--short"])
    assert "No such option" in short.output and "…" not in short.output


@pytest.mark.parametrize(
    "words",
    [
        ["adopt", "h", "folder", "ssh://root:hunter2@h.invalid"],
        ["adopt", "h", "--release", "root:hunter2@h.invalid"],
        ["plan", "root:hunter2@h.invalid"],
        ["plan", "mine.py", "--limit", "root:hunter2@h.invalid"],
        ["plan", "mine.py", "--without", "root:hunter2@h.invalid"],
        ["init", "https://a.test", "new", "--host", "root:hunter2@h.invalid"],
        ["init", "https://root:hunter2@a.test", "new"],
    ],
)
def test_no_sentence_repeats_a_password_in_an_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(SITE)
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 1
    assert "Error: " in done.output and "hunter2" not in done.output, done.output


def test_without_a_command_the_help_is_shown() -> None:
    done = CliRunner().invoke(main, [])
    assert done.output == CliRunner().invoke(main, ["--help"]).output


def test_the_version_is_the_distribution_s() -> None:
    done = CliRunner().invoke(main, ["--version"], prog_name="mattermost-host")
    assert done.output == f"mattermost-host, version {version('mattermost-host')}\n"
