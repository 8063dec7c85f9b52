"""Module streams of dnf: which version of a program the distribution's packages are.

dnf keeps what is enabled in a small file for each module; asking dnf itself would take a second.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from mattermost_host.engine.batch import Question
from mattermost_host.engine.explanations import Change
from mattermost_host.facts.dnf_modules import fixed

FOLDER = "/etc/dnf/modules.d"
Wanted = Mapping[str, str | None]
"""Module -> its stream; None: disabled, so that another repository's packages are seen."""


@dataclass(frozen=True)
class ModuleStreams(Question[dict[str, str | None]]):
    """The stream of each module that is fixed to one; None of one that is disabled."""

    about = "module streams of dnf"

    modules: tuple[str, ...]

    @classmethod
    def joined(cls, questions: Sequence["ModuleStreams"]) -> "ModuleStreams":
        """All modules at once."""
        return cls(tuple(sorted({name for one in questions for name in one.modules})))

    def part(self, answer: dict[str, str | None]) -> dict[str, str | None]:
        """Those that were asked for."""
        return {name: answer[name] for name in self.modules if name in answer}

    def script(self) -> str:
        files = " ".join(f"{FOLDER}/{name}.module" for name in self.modules)
        return f'for file in {files}; do [ ! -f "$file" ] || cat "$file"; done'

    def parse(self, lines: list[str]) -> dict[str, str | None]:
        return {name: stream or None for name, stream in fixed(lines)}


def differences(wanted: Wanted, found: Wanted) -> Iterator[Change]:
    """What is not as wanted, in words."""
    for name, stream in wanted.items():
        subject = f"the module {name} of dnf"
        if name in found and found[name] == stream:
            continue
        if stream is None:
            yield Change(subject, "is not disabled")
        elif not found.get(name):
            yield Change(subject, f"is not fixed to its stream {stream}")
        else:
            yield Change(subject, f"is fixed to its stream {found[name]} instead of {stream}")


def commands(wanted: Wanted, found: Wanted) -> Iterator[str]:
    """What dnf has to be told, without its own name.

    ``switch-to`` also replaces packages of another stream; it is for streams that were changed
    after we had fixed them, the preflight refuses others.
    """
    for name, stream in wanted.items():
        if name in found and found[name] == stream:
            continue
        if stream is None:
            yield f"module disable {name}"
        elif found.get(name):
            yield f"module switch-to {name}:{stream}"
        else:
            yield f"module enable {name}:{stream}"
