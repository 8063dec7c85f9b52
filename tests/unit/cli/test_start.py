"""What the command imports at its start, whatever it is asked."""

import subprocess
import sys

HEAVY = ("pytest", "requests", "psutil", "pg8000", "prometheus_client", "testinfra", "websocket")
"""Libraries of some commands or sites only; each takes a part of every start."""


def test_it_imports_nothing_that_few_commands_need() -> None:
    script = f"import sys, mattermost_host.cli.main; print(*sys.modules.keys() & {set(HEAVY)!r})"
    argv = [sys.executable, "-c", script]
    found = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    assert found == "\n"
