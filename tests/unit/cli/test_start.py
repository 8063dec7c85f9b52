"""What the command imports at its start, whatever it is asked."""

import subprocess
import sys

import pytest

HEAVY = ("pytest", "requests", "psutil", "pg8000", "prometheus_client", "testinfra", "websocket")
"""Libraries of some commands or sites only; each takes a part of every start."""


def test_it_imports_nothing_that_few_commands_need() -> None:
    script = f"import sys, mattermost_host.cli.main; print(*sys.modules.keys() & {set(HEAVY)!r})"
    argv = [sys.executable, "-c", script]
    found = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    assert found == "\n"


PATCHED = "from gevent import monkey; print(monkey.is_module_patched('socket'))"


@pytest.mark.parametrize(
    ("script", "patched"),
    [
        (
            f"import mattermost_host.cli.entry; {PATCHED}",
            "False\n",
        ),
        (
            "import sys; sys.argv = ['mattermost-host', '--version']\n"
            "from mattermost_host.cli.entry import main\n"
            f"try: main()\nexcept SystemExit: {PATCHED}",
            "True\n",
        ),
    ],
    ids=["import", "command"],
)
def test_sockets_are_gevent_s_in_the_command_and_not_by_an_import(
    script: str, patched: str
) -> None:
    argv = [sys.executable, "-c", script]
    found = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    assert found.endswith(patched)


@pytest.mark.parametrize(
    ("name", "number", "mode"), [("stdin", 0, "r"), ("stdout", 1, "w"), ("stderr", 2, "w")]
)
def test_a_stream_that_the_caller_closed_is_opened(name: str, number: int, mode: str) -> None:
    script = (
        f"import os, sys; os.close({number}); sys.{name} = None\n"
        "from mattermost_host.cli import entry; entry.open_streams()\n"
        f"told = sys.{name}.fileno(), sys.{name}.mode, os.readlink('/proc/self/fd/{number}')\n"
        f"os.write({2 if number == 1 else 1}, repr(told).encode())"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout + done.stderr == repr((number, mode, "/dev/null"))
