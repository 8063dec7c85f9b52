"""Timing commands, in turns, and keeping the best time of each."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile

import psutil

# As an operator types it: Python keeps what it compiled, for ours and for the rivals.
OPERATOR = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
QUIET = {**OPERATOR, "PYINFRA_PROGRESS": "off", "COLUMNS": "120"}


class Failed(RuntimeError):
    """A measured command did not do what it is measured for."""


@dataclass(frozen=True)
class Ran:
    """One run of a command."""

    seconds: float
    cpu: float
    """Seconds of a processor that it used on the control machine."""
    memory_mb: float
    """The most that its process had in memory; processes that it started are not in it."""
    output: str
    """Standard output and error together."""
    machine_cpu: float = 0.0
    """Seconds of a processor that everything on this machine used meanwhile, hosts included."""


@dataclass
class Taken:
    """All runs of one work; the best one counts, because the others shared the machine."""

    runs: list[Ran] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """Of the quickest run."""
        return min(run.seconds for run in self.runs)

    @property
    def cpu(self) -> float:
        """Of the run that used least."""
        return min(run.cpu for run in self.runs)

    @property
    def machine_cpu(self) -> float:
        """Of everything on the machine, in the run in which it was least."""
        return min(run.machine_cpu for run in self.runs)

    @property
    def memory_mb(self) -> float:
        """Of the largest run."""
        return max(run.memory_mb for run in self.runs)


def say(text: str) -> None:
    """A line of progress."""
    print(f"bench: {text}", file=sys.stderr, flush=True)


def run(
    argv: Sequence[str],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] = QUIET,
    stdin: str = "",
    statuses: Sequence[int] = (0,),
) -> Ran:
    """Run a command once. Failed, with what it said, where it ends with another status."""
    with TemporaryFile() as output, TemporaryFile() as given:
        given.write(stdin.encode())
        given.seek(0)
        start, busy = time.monotonic(), _busy()
        process = subprocess.Popen(
            argv, cwd=cwd, env=env, stdin=given, stdout=output, stderr=subprocess.STDOUT
        )
        # wait4 alone tells the memory of just this process.
        _, status, usage = os.wait4(process.pid, 0)
        seconds, busy = time.monotonic() - start, _busy() - busy
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        said = output.read().decode(errors="replace")
    if process.returncode not in statuses:
        raise Failed(f"{' '.join(argv)} ended with {process.returncode}:\n{said[-4000:]}")
    return Ran(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, said, busy)


def _busy() -> float:
    """Seconds that all processors of this machine were at work since it started."""
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - times.iowait - times.guest - times.guest_nice)


def in_turns(works: Mapping[str, tuple[int, Callable[[], Ran]]]) -> dict[str, Taken]:
    """Each work as often as its number says, A B C A B C …, so that all share the same moods."""
    taken = {name: Taken() for name in works}
    for turn in range(max(times for times, _ in works.values())):
        for name, (times, work) in works.items():
            if turn < times:
                done = work()
                taken[name].runs.append(done)
                say(f"  {name}, {turn + 1} of {times}: {done.seconds:.2f} s")
    return taken
