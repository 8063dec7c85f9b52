"""The rules of the house: components, rooms, and the size and docstrings of each module."""

import ast
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from mattermost_host.site.settings import ROOMS
from tests.unit.source_tree import (
    COMPONENTS,
    DEPLOYS,
    MODULES,
    PROJECT,
    SOURCE,
    TEMPLATES,
    Function,
    functions,
    ids,
    imports,
    tree_of,
    where,
)

SECTIONS = ("Settings", "surface", "deploy", "requires")
DOWNWARDS = (
    "cli",
    "drift",
    "plan",
    "verify",
    "site",
    "components",
    "preflight",
    "ops",
    "facts",
    "engine",
    "releases",
    "certificates",
    "knowledge",
    "support",
)
"""The rooms; each imports only from itself and those below it."""
LONGEST_FILE, LONGEST_FUNCTION = 300, 40


def test_there_is_something_to_read() -> None:
    assert {path.stem for path in COMPONENTS} >= {"base", "firewall", "postgres", "nginx"}
    assert len(MODULES) > 20
    assert len(DEPLOYS) >= 2


@pytest.mark.parametrize("path", COMPONENTS, ids=ids)
class TestComponent:
    def test_its_four_sections_stand_in_order(self, path: Path) -> None:
        names = [
            node.name
            for node in tree_of(path).body
            if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name in SECTIONS
        ]
        assert names == list(SECTIONS)

    def test_it_imports_no_other(self, path: Path) -> None:
        others = [name for name in imports(path) if name.startswith("mattermost_host.components")]
        assert others == []

    def test_its_templates_are_in_its_folder(self, path: Path) -> None:
        used = re.findall(r'"([a-z0-9-]+)/[^"/]+\.j2"', path.read_text(encoding="utf-8"))
        assert set(used) <= {path.stem}

    def test_it_has_a_unit_test_and_a_host_test(self, path: Path) -> None:
        for kind in ("unit/components", "host"):
            assert (PROJECT / "tests" / kind / f"test_{path.stem}.py").is_file(), kind

    def test_it_has_a_row_in_the_table_of_components(self, path: Path) -> None:
        module = importlib.import_module(f"mattermost_host.components.{path.stem}")
        assert ROOMS[path.stem].module is module

    def test_its_functions_take_settings_and_place(self, path: Path) -> None:
        module = importlib.import_module(f"mattermost_host.components.{path.stem}")
        for name in ("surface", "requires", "mistakes", "secrets"):
            function = getattr(module, name, None)
            if function:
                assert list(inspect.signature(function).parameters) == ["settings", "place"], name


def test_every_folder_is_a_known_room() -> None:
    found = {path.name for path in SOURCE.iterdir() if path.is_dir() and path.name[0] != "_"}
    assert found == set(DOWNWARDS)


@pytest.mark.parametrize("path", MODULES, ids=ids)
def test_imports_run_downwards(path: Path) -> None:
    room = path.relative_to(SOURCE).parts[0]
    for name in imports(path):
        package, _, rest = name.partition(".")
        other = rest.partition(".")[0]
        if package == "mattermost_host" and other in DOWNWARDS and room in DOWNWARDS:
            assert DOWNWARDS.index(room) <= DOWNWARDS.index(other), f"{room} imports {name}"


def test_unit_tests_stand_where_their_modules_do() -> None:
    folders = {path.name for path in (PROJECT / "tests/unit").iterdir() if any(path.glob("*.py"))}
    assert folders <= {*DOWNWARDS, "standin"}


def test_no_template_is_left_over() -> None:
    sources = "\n".join(path.read_text(encoding="utf-8") for path in MODULES)
    for template in TEMPLATES.rglob("*.j2"):
        assert f'"{template.relative_to(TEMPLATES)}"' in sources


def test_every_template_says_who_wrote_the_file() -> None:
    for template in TEMPLATES.rglob("*.j2"):
        head = "".join(template.read_text(encoding="utf-8").splitlines(keepends=True)[:3])
        assert "Written by mattermost-host" in head, ids(template)


@pytest.mark.parametrize("path", MODULES, ids=ids)
class TestModule:
    def test_it_is_not_too_long(self, path: Path) -> None:
        assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST_FILE

    def test_its_functions_are_not_too_long(self, path: Path) -> None:
        for function in functions(path):
            length = (function.end_lineno or 0) - function.lineno + 1
            assert length <= LONGEST_FUNCTION, f"{where(path, function)} has {length} lines"

    def test_everything_public_says_what_it_is(self, path: Path) -> None:
        if path.name == "__init__.py" and not path.read_text(encoding="utf-8"):
            return
        assert ast.get_docstring(tree_of(path)), "the module"
        for node in _public(tree_of(path)):
            assert ast.get_docstring(node), f"{where(path, node)} {node.name}"


EXPLAINED_BY_THEIR_BASE = {"script", "parse", "functions", "subject"}
"""Methods of questions: their base class says what they do."""


def _public(tree: ast.Module) -> Iterator[Function | ast.ClassDef]:
    for node in tree.body:
        if not isinstance(node, Function | ast.ClassDef) or node.name.startswith("_"):
            continue
        yield node
        if isinstance(node, ast.ClassDef):
            abstract = any("Protocol" in ast.dump(base) for base in node.bases)
            for inner in node.body:
                if isinstance(inner, Function) and not abstract and _needs_words(inner, node):
                    yield inner


def _needs_words(method: Function, owner: ast.ClassDef) -> bool:
    inherits = bool(owner.bases) and method.name in EXPLAINED_BY_THEIR_BASE
    return not method.name.startswith("_") and not inherits
