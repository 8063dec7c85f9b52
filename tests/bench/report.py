"""What was found out, as docs/benchmarks.md."""

import platform
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import psutil

from tests.bench import ansible

DOCUMENT = Path("docs/benchmarks.md")
PLOT = Path("docs/benchmarks.svg")


@dataclass(frozen=True)
class Figure:
    """One goal and what was measured for it."""

    work: str
    against: str
    goal: float
    measured: float
    at_least: bool
    unit: str = "x"
    """Written after the number; ``x`` where it is a ratio."""

    @property
    def met(self) -> bool:
        """Whether the goal is reached."""
        return self.measured >= self.goal if self.at_least else self.measured <= self.goal

    @property
    def row(self) -> str:
        """The line of the table."""
        bound = "at least" if self.at_least else "at most"
        goal, measured = (f"{number:.3g}{self.unit}" for number in (self.goal, self.measured))
        met = "met" if self.met else "**not met**"
        return f"| {self.work} | {self.against} | {bound} {goal} | {measured} | {met} |"


@dataclass(frozen=True)
class Bar:
    """One bar of the plot."""

    label: str
    value: float
    """Seconds."""
    ours: bool = False


@dataclass
class Outcome:
    """What one part found out."""

    title: str
    figures: list[Figure] = field(default_factory=list)
    bars: list[Bar] = field(default_factory=list)
    """The first of ours is what the ratios of the others refer to."""
    notes: list[str] = field(default_factory=list)
    """Sentences: what was done, how often, and what else was seen."""


def table(outcomes: Sequence[Outcome]) -> str:
    """Every goal on a line."""
    lines = ["| Work | Against | Goal | Measured | |", "|---|---|---|---|---|"]
    lines += [figure.row for outcome in outcomes for figure in outcome.figures]
    return "\n".join(lines)


def document(outcomes: Sequence[Outcome], minutes: float) -> str:
    """The whole page."""
    lines = [
        "# Benchmarks",
        "",
        "Written by `make bench`. Each figure is a ratio between works that took turns on the "
        "same hosts in the same minutes, best of several runs; seconds are of one machine and "
        "only good for comparing with each other.",
        "",
        table(outcomes),
        "",
        f"![Seconds of each work, shorter is better]({PLOT.name})",
        "",
        "## Machine",
        "",
        *(f"- {line}" for line in machine()),
        f"- {datetime.now(UTC):%Y-%m-%d}; the whole bench took {minutes:.0f} minutes",
    ]
    for outcome in outcomes:
        lines += ["", f"## {outcome.title}", "", *(f"- {note}" for note in outcome.notes)]
        if outcome.bars:
            lines += ["", "| | seconds |", "|---|---|"]
            lines += [f"| {bar.label} | {bar.value:.2f} |" for bar in outcome.bars]
    return "\n".join(lines) + "\n"


def machine() -> Iterator[str]:
    """What the bench ran on; no names of anything."""
    memory = psutil.virtual_memory().total / 2**30
    yield (
        f"{psutil.cpu_count()} processors ({platform.machine()}), {memory:.0f} GB; "
        "control machine and hosts share them"
    )
    yield (
        "hosts: Debian 12 with systemd, sshd, network and firewall of their own in "
        f"systemd-nspawn, kernel {platform.release().split('-')[0]}"
    )
    yield "the line between them is this machine's own bridge: round trips cost nearly nothing"
    tools = {
        "Python": platform.python_version(),
        "pyinfra": version("pyinfra"),
        "paramiko": version("paramiko"),
        **ansible.versions(),
    }
    ssh = subprocess.run(["ssh", "-V"], capture_output=True, text=True, check=False).stderr
    yield ", ".join([*(f"{name} {number}" for name, number in tools.items()), ssh.split(",")[0]])
