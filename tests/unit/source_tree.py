"""The project's source, read by the tests that hold the rules of the house."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

PROJECT = Path(__file__).parents[2]
SOURCE = PROJECT / "src" / "mattermost_host"
TEMPLATES = PROJECT / "templates"
COMPONENTS = sorted(path for path in (SOURCE / "components").glob("[a-z]*.py"))
OPERATIONS = sorted(path for path in (SOURCE / "ops").glob("[a-z]*.py"))
MODULES = sorted(SOURCE.rglob("*.py"))
DEPLOYS = sorted((PROJECT / "deploys").glob("*.py"))
Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def tree_of(path: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"))


def ids(path: Path) -> str:
    """A file's path from the top of the project."""
    return str(path.relative_to(PROJECT))


def where(path: Path, node: ast.expr | ast.stmt) -> str:
    """File and line of a node."""
    return f"{ids(path)}:{node.lineno}"


def functions(path: Path) -> Iterator[Function]:
    """All functions and methods of a file."""
    yield from (node for node in ast.walk(tree_of(path)) if isinstance(node, Function))


def imports(path: Path) -> Iterator[str]:
    """Every module and name that a file imports, in full."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{name.name}" for name in node.names)
