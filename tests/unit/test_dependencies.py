"""What is imported is declared: a dependency of a dependency may leave with the next release."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

PROJECT = Path(__file__).parents[2]
SHIPPED = ("src", "deploys", "tests/host")
"""What an operator runs; the other tests may use what development brings."""
OUR_OWN = {"mattermost_host", "tests"}


def _imported(path: Path) -> Iterator[str]:
    """The first part of every module that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name.partition(".")[0] for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _declared() -> set[str]:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = (re.match(r"[\w.-]+", requirement) for requirement in project["dependencies"])
    return {_normal(found.group()) for found in names if found}


def test_what_is_imported_is_declared() -> None:
    providers = packages_distributions()
    sources = [path for folder in SHIPPED for path in (PROJECT / folder).rglob("*.py")]
    assert len(sources) > 80
    missing = {
        (name, str(path.relative_to(PROJECT)))
        for path in [*sources, PROJECT / "config.py"]
        for name in _imported(path)
        if name not in sys.stdlib_module_names | OUR_OWN
        and not {_normal(one) for one in providers.get(name, [])} & _declared()
    }
    assert missing == set()


def test_what_is_declared_is_imported() -> None:
    providers = packages_distributions()
    sources = [path for folder in SHIPPED for path in (PROJECT / folder).rglob("*.py")]
    used = {
        _normal(distribution)
        for path in sources
        for name in _imported(path)
        for distribution in providers.get(name, [])
    }
    assert _declared() - used == set()
