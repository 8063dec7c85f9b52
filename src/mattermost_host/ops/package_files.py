"""A package's own configuration file, in place of ours."""

from collections.abc import Generator
from dataclasses import dataclass

from pyinfra import host
from pyinfra.api import StringCommand, operation
from pyinfra.api.operation import OperationMeta

from mattermost_host.engine.batch import Question
from mattermost_host.engine.explanations import Change, explain
from mattermost_host.engine.questions import ask, changing, expect
from mattermost_host.ops import apt

OURS = "Written by mattermost-host"
"""What each template says in its first lines."""


@dataclass(frozen=True)
class AskOurs(Question[str]):
    """``ours`` or ``lost`` if a package's file is not its own; empty if it is, or has no package.

    The package that has it is read from dpkg.
    """

    about = "the file {path} of a package"

    path: str

    def script(self) -> str:
        return (
            f"dpkg-query -S {self.path} >/dev/null || exit 0; [ -e {self.path} ] || echo lost;"
            f" [ ! -e {self.path} ] || ! head -n 3 {self.path} | grep -q '{OURS}' || echo ours"
        )

    def parse(self, lines: list[str]) -> str:
        return lines[0] if lines else ""


def as_packaged(name: str, path: str) -> OperationMeta:
    """Keep the file ``path`` of a package of apt as the package or the operator has it."""
    expect(AskOurs(path))
    return _as_packaged(name=name, path=path)


@operation()
def _as_packaged(path: str) -> Generator[StringCommand, None, None]:
    found = ask(AskOurs(path))
    if not found:
        host.noop("the file is not ours")
        return
    said = "is ours: its package's own comes back" if found == "ours" else "is missing"
    explain(Change(path, said))
    # dpkg puts back a file of the configuration only where it is missing, and only if told so.
    again = '-o Dpkg::Options::=--force-confmiss --reinstall "${package%%:*}"'
    steps = (
        "set -eu",
        f"package=$(dpkg-query -S {path})",
        f"rm -f -- {path}",
        f"{apt.INSTALL} {again}",
        f"[ -e {path} ]",
    )
    yield from changing(StringCommand("\n".join(steps)))
