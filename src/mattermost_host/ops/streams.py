"""dnf's module streams, which select the version of the distribution's packages.

dnf keeps the state of each module in a small file; asking dnf itself would take a second.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from mattermost_host.engine.batch import Question
from mattermost_host.engine.explanations import Change
from mattermost_host.facts.dnf_modules import fixed

FOLDER = "/etc/dnf/modules.d"
Wanted = Mapping[str, str | None]
"""Module -> its stream; None: disabled, so that another repository's packages are visible."""


@dataclass(frozen=True)
class ModuleStreams(Question[dict[str, str | None]]):
    """The enabled stream of each module; None for a disabled module."""

    about = "module streams of dnf"

    modules: tuple[str, ...]

    @classmethod
    def joined(cls, questions: Sequence["ModuleStreams"]) -> "ModuleStreams":
        """One question for all modules."""
        return cls(tuple(sorted({name for one in questions for name in one.modules})))

    def part(self, answer: dict[str, str | None]) -> dict[str, str | None]:
        """Our modules' streams."""
        return {name: answer[name] for name in self.modules if name in answer}

    def script(self) -> str:
        files = " ".join(f"{FOLDER}/{name}.module" for name in self.modules)
        return f'for file in {files}; do [ ! -f "$file" ] || cat "$file"; done'

    def parse(self, lines: list[str]) -> dict[str, str | None]:
        return {name: stream or None for name, stream in fixed(lines)}


@dataclass(frozen=True)
class Found:
    """The state of the wanted modules on a host."""

    fixed: Wanted
    packages: Mapping[str, str]
    """Installed versions; packages whose names begin with a module's name come from it."""

    def is_fixed(self, module: str, stream: str | None) -> bool:
        """Whether dnf has the module's wanted stream."""
        return module in self.fixed and self.fixed[module] == stream

    def moved(self, module: str, stream: str | None) -> list[str]:
        """Packages of the module that come from another stream, with their versions."""
        return [
            f"{name} {version.partition('-')[0]}"
            for name, version in self.packages.items()
            if stream and name.startswith(module) and not version.startswith(f"{stream}.")
        ]


def differences(wanted: Wanted, found: Found) -> Iterator[Change]:
    """The differences, in words.

    Packages change their stream only by an explicit command, and the database's data may have been
    migrated, too: unattended repairs don't move them back.
    """
    for name, stream in wanted.items():
        subject = f"the module {name} of dnf"
        moved = found.moved(name, stream)
        if moved:
            text = f"has {', '.join(moved)} installed, which is not of its stream {stream}"
            yield Change(subject, text, severity="critical", heals=False)
        if found.is_fixed(name, stream):
            continue
        if stream is None:
            yield Change(subject, "is not disabled")
        elif not found.fixed.get(name):
            yield Change(subject, f"is not fixed to its stream {stream}")
        else:
            yield Change(subject, f"is fixed to its stream {found.fixed[name]} instead of {stream}")


def commands(wanted: Wanted, found: Found) -> Iterator[str]:
    """dnf's subcommands that set the streams.

    ``switch-to`` also replaces packages of another stream. It is for streams that were changed
    after we had set them; the preflight refuses others.
    """
    for name, stream in wanted.items():
        moved = found.moved(name, stream)
        if found.is_fixed(name, stream) and not moved:
            continue
        if stream is None:
            yield f"module disable {name}"
        elif found.fixed.get(name) or moved:
            yield f"module switch-to {name}:{stream}"
        else:
            yield f"module enable {name}:{stream}"
