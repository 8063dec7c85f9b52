"""Packages of the distribution, with one question for all of a component's packages."""

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass

from pyinfra import host
from pyinfra.api import StringCommand, operation
from pyinfra.api.operation import OperationMeta

from mattermost_host.engine.batch import Question
from mattermost_host.engine.explanations import Change, explain
from mattermost_host.engine.questions import ask, changing, expect
from mattermost_host.knowledge.families import PackageManager
from mattermost_host.ops import apt, dnf, first_boot
from mattermost_host.ops.streams import Found, ModuleStreams, Wanted, commands, differences

QUERIES: Mapping[PackageManager, Callable[[Sequence[str]], str]] = {
    "apt": apt.query,
    "dnf": dnf.query,
}
INTERRUPTED = Change("an installation of packages", "was interrupted; it is repeated")
LEFT_BEHIND = ("policy", "unfinished")


@dataclass(frozen=True)
class PackageStates(Question[dict[str, str]]):
    """Version of each installed package, and what an aborted run left behind.

    That is ``policy``, the policy-rc.d that keeps services from starting, and ``unfinished``, the
    note that dnf was running.
    """

    about = "installed packages"

    packages: tuple[str, ...]
    manager: PackageManager

    @classmethod
    def joined(cls, questions: Sequence["PackageStates"]) -> "PackageStates":
        """One question for all packages: dpkg-query reads its whole database each time."""
        names = {name for one in questions for name in one.packages}
        return cls(tuple(sorted(names)), questions[0].manager)

    def part(self, answer: dict[str, str]) -> dict[str, str]:
        """Our packages' versions, and what is left of an aborted run."""
        return {name: answer[name] for name in (*self.packages, *LEFT_BEHIND) if name in answer}

    def script(self) -> str:
        return QUERIES[self.manager](self.packages)

    def parse(self, lines: list[str]) -> dict[str, str]:
        rows = [line.split() for line in lines]
        return {row[0]: row[2] for row in rows if len(row) == 3 and row[1] == "installed"}


def installed(
    name: str,
    packages: Sequence[str],
    manager: PackageManager,
    streams: Wanted | None = None,
) -> OperationMeta:
    """Keep ``packages`` installed, in the versions that the distribution offers.

    ``streams``: dnf's module streams that they come from, ``{"nginx": "1.24"}``; None instead of a
    stream keeps the module disabled.
    """
    question = PackageStates(tuple(packages), manager)
    expect(question)
    wanted = tuple((streams or {}).items())
    if wanted:
        expect(ModuleStreams(tuple(module for module, _ in wanted)))
    return _installed(name=name, question=question, wanted=wanted)


@operation()
def _installed(
    question: PackageStates, wanted: tuple[tuple[str, str | None], ...]
) -> Generator[StringCommand, None, None]:
    found = ask(question)
    fixed = ask(ModuleStreams(tuple(module for module, _ in wanted))) if wanted else {}
    streams = Found(fixed, found)
    missing = [package for package in question.packages if package not in found]
    unfinished = "unfinished" in found
    explain(
        *differences(dict(wanted), streams),
        *([INTERRUPTED] if unfinished else []),
        *(Change(package, "is not installed") for package in missing),
    )
    modules = list(commands(dict(wanted), streams))
    if missing or modules or unfinished:
        yield from changing(_installation(question.manager, missing, modules))
    elif "policy" in found:
        explain(Change(apt.POLICY, "was left behind by an interrupted run"))
        yield from changing(StringCommand(f"rm -f {apt.POLICY}"))
    else:
        host.noop("all packages are installed")


def _installation(
    manager: PackageManager, missing: Sequence[str], modules: Sequence[str]
) -> StringCommand:
    if manager == "apt":
        return StringCommand(first_boot.WAIT + apt.INSTALL, *missing)
    return StringCommand(first_boot.WAIT + dnf.installation(missing, modules))
