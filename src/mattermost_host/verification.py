"""Runs tests/host against the hosts of a site: the same tests for operators and for our lab."""

import os
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[2] / "tests" / "host"


def run(inventory: Path, *, journey: bool, junit: Path | None) -> int:
    """Verify every host of ``inventory``; 0 where everything holds, otherwise 1."""
    arguments = [
        str(TESTS),
        f"--rootdir={TESTS}",
        f"--confcutdir={TESTS}",
        f"--inventory={inventory.resolve()}",
        "-p",
        "no:cacheprovider",
    ]
    if journey:
        arguments.append("--journey")
    if junit:
        arguments.append(f"--junit-xml={junit}")
    os.environ.setdefault("PY_COLORS", "0")
    return 1 if pytest.main(arguments) else 0
