"""The report of a trial, to attach to an issue: Markdown, without secrets and without names."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from tests.try_on.steps import Step

LAST_LINES = 80
"""Of the output of each step that was not as expected."""
SHORTEST = 4
"""Characters; a shorter text is no secret, and masking it would only spoil words."""


@dataclass(frozen=True)
class Mask:
    """Replaces what the report must not say. The longest first: one may be part of another."""

    hidden: Mapping[str, str]
    """Text -> what stands in its place."""

    def __call__(self, text: str) -> str:
        for secret in sorted(self.hidden, key=len, reverse=True):
            if len(secret) >= SHORTEST:
                text = text.replace(secret, self.hidden[secret])
        return text


def leaves(value: object) -> Iterable[str]:
    """Every text in a secrets file, and each line of those that have several."""
    if isinstance(value, Mapping):
        for one in value.values():
            yield from leaves(one)
    elif isinstance(value, str):
        yield value
        yield from (line for line in value.splitlines() if not line.startswith("-----"))


@dataclass(frozen=True)
class Subject:
    """What was tried."""

    host: Mapping[str, str]
    """See ``about.read``."""
    release: str
    version: str
    """Of mattermost-host, with the commit where that is known."""


def text(subject: Subject, steps: Sequence[Step], left: Sequence[str], mask: Mask) -> str:
    """The whole report."""
    failed = [step for step in steps if step.problem]
    verdict = f"{len(failed)} of {len(steps)} steps were not as expected" if failed else "all held"
    name = subject.host.get("distribution", "a host that could not be asked")
    parts = [
        f"# mattermost-host on {name}: {verdict}",
        "\n".join(_facts(subject)),
        "## Steps",
        "\n".join(_table(steps)),
        *(_failure(step) for step in failed),
        "## Left behind",
        "\n".join(f"- {one}" for one in left),
    ]
    return mask("\n\n".join(parts) + "\n")


def _facts(subject: Subject) -> Iterable[str]:
    yield f"- date: {datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    yield f"- mattermost-host: {subject.version}"
    yield f"- release: {subject.release}"
    packages = []
    for key, value in subject.host.items():
        kind, _, package = key.partition(" ")
        if kind == "package":
            packages.append(f"{package} {value}")
        else:
            yield f"- {key}: {value}"
    yield f"- packages: {', '.join(packages) or 'unknown'}"


def _table(steps: Sequence[Step]) -> Iterable[str]:
    yield "| Step | Command | Exit status | Seconds | As expected |"
    yield "|---|---|---|---|---|"
    for step in steps:
        held = "**no**" if step.problem else "yes"
        cells = (_cell(step.what), f"`{_cell(step.command)}`", step.status, f"{step.seconds:.1f}")
        yield f"| {' | '.join(map(str, cells))} | {held} |"


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def _failure(step: Step) -> str:
    lines = step.output.splitlines()
    shown = "\n".join(lines[-LAST_LINES:])
    cut = f"(the last {LAST_LINES} of {len(lines)} lines)\n\n" if len(lines) > LAST_LINES else ""
    # More backticks than any output has in a row.
    return f"## {step.what}\n\n{step.problem}\n\n{cut}`````\n{shown}\n`````"
