"""A package's own configuration file, in place of ours."""

from collections.abc import Generator
from dataclasses import dataclass

from pyinfra import host
from pyinfra.api import StringCommand, operation
from pyinfra.api.operation import OperationMeta

from mattermost_host.engine.batch import Question
from mattermost_host.engine.explanations import Change, explain
from mattermost_host.engine.questions import ask, changing, expect
from mattermost_host.knowledge.families import PackageManager
from mattermost_host.ops import apt, dnf

OURS = "Written by mattermost-host"
"""What each template says in its first lines."""


@dataclass(frozen=True)
class AskOurs(Question[str]):
    """``ours`` or ``lost`` if a package's file is not its own; empty if it is, or is of none."""

    about = "the file {path} of a package"

    path: str
    manager: PackageManager

    def script(self) -> str:
        return (
            f"{_owner(self.path, self.manager)} >/dev/null || exit 0;"
            f" [ -e {self.path} ] || echo lost;"
            f" [ ! -e {self.path} ] || ! head -n 3 {self.path} | grep -q '{OURS}' || echo ours"
        )

    def parse(self, lines: list[str]) -> str:
        return lines[0] if lines else ""


def _owner(path: str, manager: PackageManager) -> str:
    """Shell command that prints the package of a file, be it there or not; apt's with the path."""
    return f"dpkg-query -S {path}" if manager == "apt" else f"rpm -q -f --qf '%{{NAME}}' {path}"


def as_packaged(name: str, path: str, manager: PackageManager) -> OperationMeta:
    """Keep the file ``path`` of a package as the package or the operator has it."""
    question = AskOurs(path, manager)
    expect(question)
    return _as_packaged(name=name, question=question)


@operation()
def _as_packaged(question: AskOurs) -> Generator[StringCommand, None, None]:
    found, path = ask(question), question.path
    if not found:
        host.noop("the file is not ours")
        return
    said = "is ours: its package's own comes back" if found == "ours" else "is missing"
    explain(Change(path, said))
    steps = (
        "set -eu",
        f"package=$({_owner(path, question.manager)})",
        f"rm -f -- {path}",
        _installed_again(question.manager),
        f"[ -e {path} ]",
    )
    yield from changing(StringCommand("\n".join(steps)))


def _installed_again(manager: PackageManager) -> str:
    """Both put back a file of the configuration only where it is missing, dpkg only if told so."""
    if manager == "apt":
        again = '-o Dpkg::Options::=--force-confmiss --reinstall "${package%%:*}"'
        return f"{apt.INSTALL} {again}"
    return f"(\n{dnf.installed_again('$package')}\n)"
