"""Lab tests, several files at once: they wait for hosts far more than they compute.

python -m tests.lab.suite [pytest arguments]        the core, part of `make test`
python -m tests.lab.suite soak [pytest arguments]   the long scenarios, `make soak`
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tests.lab import image, needs

AT_ONCE = 3
"""Files under way at the same time; with two processors about a third of one was used by each."""
LONGEST_FIRST = (
    "test_database_cluster.py",
    "test_survival_install.py",
    "test_truth_files.py",
    "test_truth_units.py",
    "test_truth_host.py",
    "test_truth_database.py",
    "test_survival_upgrade.py",
    "test_site.py",
    "test_survival.py",
)
CORE = frozenset(
    {
        "test_database_cluster.py",
        "test_facts.py",
        "test_local.py",
        "test_login.py",
        "test_odd_login.py",
        "test_placing.py",
        "test_ports.py",
        "test_proxy.py",
        "test_refusal.py",
        "test_release.py",
        "test_site.py",
        "test_ways_in.py",
        "test_wheel.py",
    }
)
"""What each commit is tested with; the other files take long and are in docs/soak.md."""
FOLDER = Path(__file__).parent


@dataclass
class Running:
    """A pytest process for one file."""

    file: Path
    process: subprocess.Popen[bytes]
    output: IO[bytes]
    start: float


def _begin(file: Path, arguments: Sequence[str]) -> Running:
    output = tempfile.TemporaryFile()  # noqa: SIM115 - read and closed by _end
    command = [sys.executable, "-m", "pytest", "-rs", "--tb=short", *arguments, str(file)]
    process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    return Running(file, process, output, time.monotonic())


def _end(running: Running) -> bool:
    """Say how a file went; all it printed where something failed or was left out."""
    running.output.seek(0)
    printed = running.output.read().decode(errors="replace")
    running.output.close()
    lines = printed.strip().splitlines() or ["nothing was printed"]
    took = f"{time.monotonic() - running.start:4.0f} s"
    held = running.process.returncode == 0
    print(f"{'ok    ' if held else 'FAILED'} {took}  {running.file.name}: {lines[-1]}", flush=True)
    if not held:
        print(printed, flush=True)
    for line in lines if held else ():
        if line.startswith("SKIPPED"):
            print(line, flush=True)
    return held


def main() -> int:
    """Run the files of the core, or the others; 0 where all hold."""
    arguments = sys.argv[1:]
    soak = arguments[:1] == ["soak"]
    arguments = arguments[1:] if soak else arguments
    reason = needs.missing()
    if reason:
        print(f"lab: left out, because {reason}.")
        return 0
    for suite in image.SUITES:
        image.ensure(suite)
    chosen = [one for one in FOLDER.glob("test_*.py") if (one.name in CORE) != soak]
    files = sorted(chosen, key=_place)
    under_way: list[Running] = []
    held = True
    while files or under_way:
        while files and len(under_way) < AT_ONCE:
            under_way.append(_begin(files.pop(0), arguments))
        time.sleep(0.5)
        ended = [one for one in under_way if one.process.poll() is not None]
        for one in ended:
            under_way.remove(one)
            held = _end(one) and held
    return 0 if held else 1


def _place(file: Path) -> tuple[int, str]:
    first = LONGEST_FIRST.index(file.name) if file.name in LONGEST_FIRST else len(LONGEST_FIRST)
    return first, file.name


if __name__ == "__main__":
    sys.exit(main())
