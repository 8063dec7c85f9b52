"""The commands of docs/operations.md: what an operator types, and the lab's tests as well.

`tests/unit/test_runbook.py` holds that each of them is typed by a test, or said to be by none.
"""

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.lab.deployment import Deployment

DOCUMENT = Path(__file__).parents[2] / "docs/operations.md"
UNTRIED = "What no test runs"
"""The heading below which the document says so."""
OURS = ("mattermost-host", "pyinfra")
PROGRAMS = (
    *OURS,
    *("cat", "cd", "dnf", "journalctl", "mkdir", "rm", "ssh-keygen", "ssh-keyscan", "systemctl"),
    "/opt/mattermost/current/bin/mmctl",
)
"""What a command in the midst of a sentence begins with."""
NOTHING: Mapping[str, str] = {}
_HEADING = re.compile(r"^##+ (.*)$", re.MULTILINE)
_FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`([^`]+)`")


@dataclass(frozen=True)
class Section:
    """What stands below one heading."""

    heading: str
    commands: tuple[str, ...]
    """The lines of a block of ours, each; any other block is one script for the host."""
    inline: tuple[str, ...]
    """Commands in the midst of sentences."""


@cache
def sections() -> dict[str, Section]:
    """All of the document."""
    parts = _HEADING.split(DOCUMENT.read_text(encoding="utf-8"))[1:]
    made = [_section(*one) for one in zip(parts[::2], parts[1::2], strict=True)]
    assert len({one.heading for one in made}) == len(made)
    return {one.heading: one for one in made}


def typed(
    heading: str, site: "Deployment", number: int = 0, words: Mapping[str, str] = NOTHING
) -> list[str]:
    """The command below a heading, with the test's own inventory and ``words``."""
    return replaced(script(heading, number), {"inventory.py": str(site.inventory), **words})


def replaced(command: str, words: Mapping[str, str]) -> list[str]:
    """The arguments of a command, with the test's own ``words``."""
    for word, value in words.items():
        command = command.replace(word, value)
    return shlex.split(command)


def script(heading: str, number: int = 0) -> str:
    """The command or script below a heading, as it stands there."""
    return sections()[heading].commands[number]


def inline(command: str) -> str:
    """A command that stands in the midst of a sentence."""
    assert any(command in one.inline for one in sections().values()), command
    return command


def blocks(document: Path, heading: str) -> tuple[str, ...]:
    """The scripts below a heading of another document, in their order."""
    parts = _HEADING.split(document.read_text(encoding="utf-8"))[1:]
    text = dict(zip(parts[::2], parts[1::2], strict=True))[heading]
    return tuple(body for kind, body in _FENCED.findall(text) if kind in {"", "sh"})


def _section(heading: str, text: str) -> Section:
    blocks = [body for kind, body in _FENCED.findall(text) if kind in {"", "sh"}]
    spans = (" ".join(one.split()) for one in _INLINE.findall(_FENCED.sub("", text)))
    inline_ = tuple(one for one in spans if " " in one and one.split()[0] in PROGRAMS)
    return Section(heading, tuple(line for one in blocks for line in _lines(one)), inline_)


def _lines(block: str) -> list[str]:
    lines = block.splitlines()
    return lines if all(line.startswith(OURS) for line in lines) else [block]
