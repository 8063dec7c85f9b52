"""Packages of the distribution: one question for all of a component's packages."""

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass

from pyinfra import host
from pyinfra.api import StringCommand, operation
from pyinfra.api.operation import OperationMeta

from mattermost_host.engine.batch import Question
from mattermost_host.engine.explanations import Change, explain
from mattermost_host.engine.questions import ask, changing, expect
from mattermost_host.knowledge.families import PackageManager
from mattermost_host.ops import apt, dnf

QUERIES: Mapping[PackageManager, Callable[[Sequence[str]], str]] = {
    "apt": apt.query,
    "dnf": dnf.query,
}
INSTALLATIONS: Mapping[PackageManager, str] = {"apt": apt.INSTALL, "dnf": dnf.INSTALL}


@dataclass(frozen=True)
class PackageStates(Question[dict[str, str]]):
    """Version of each installed package; the key ``policy`` where a killed run left its lock."""

    packages: tuple[str, ...]
    manager: PackageManager

    @classmethod
    def joined(cls, questions: Sequence["PackageStates"]) -> "PackageStates":
        """All their packages at once: dpkg-query reads all that it knows each time."""
        names = {name for one in questions for name in one.packages}
        return cls(tuple(sorted(names)), questions[0].manager)

    def part(self, answer: dict[str, str]) -> dict[str, str]:
        """Our packages' versions, and the lock."""
        return {name: answer[name] for name in (*self.packages, "policy") if name in answer}

    def script(self) -> str:
        return QUERIES[self.manager](self.packages)

    def parse(self, lines: list[str]) -> dict[str, str]:
        rows = [line.split() for line in lines]
        return {row[0]: row[2] for row in rows if len(row) == 3 and row[1] == "installed"}


def installed(name: str, packages: Sequence[str], manager: PackageManager) -> OperationMeta:
    """Keep ``packages`` installed, in the versions that the distribution offers."""
    question = PackageStates(tuple(packages), manager)
    expect(question)
    return _installed(name=name, question=question)


@operation()
def _installed(question: PackageStates) -> Generator[StringCommand, None, None]:
    found = ask(question)
    missing = [package for package in question.packages if package not in found]
    explain(*(Change(package, "is not installed") for package in missing))
    if missing:
        yield from changing(StringCommand(INSTALLATIONS[question.manager], *missing))
    elif "policy" in found:
        explain(Change(apt.POLICY, "was left behind by a run that ended in the middle"))
        yield from changing(StringCommand(f"rm -f {apt.POLICY}"))
    else:
        host.noop("all packages are installed")
