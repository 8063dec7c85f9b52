"""The checks of the verification for docs/checks.md, each with its counterpart in a plan."""

import ast
from collections.abc import Iterator
from pathlib import Path

from mattermost_host.verify.counterparts import COUNTERPARTS, VERIFICATION_ALONE

HEAD = (
    "",
    "# Checks of the verification",
    "",
    "What `mattermost-host verify` judges on each host, and which operations or preflight checks",
    "of `mattermost-host plan` judge the same. What only an operation judges is seen by the",
    "verification, too: one of its checks is that a run would change nothing.",
    "",
    "| Of | What holds | Judged in a plan by |",
    "|---|---|---|",
)


def checks(folder: Path) -> Iterator[tuple[str, str, str]]:
    """Subject, name and first docstring line of each check in ``folder``."""
    for file in sorted(folder.glob("test_*.py")):
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                said = (ast.get_docstring(node) or "").partition("\n")[0]
                yield file.stem.removeprefix("test_"), node.name, said


def table(folder: Path) -> Iterator[str]:
    """The section of the page."""
    yield from HEAD
    for subject, name, said in checks(folder):
        alone = VERIFICATION_ALONE.get(name)
        told = f"nothing: {alone}" if alone else "; ".join(COUNTERPARTS[name])
        yield f"| {subject} | {said} | {told} |"
