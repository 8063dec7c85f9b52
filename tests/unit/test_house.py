"""The rules of the house, held by reading the source."""

import ast
import importlib
import inspect
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from pydantic import BaseModel

from mattermost_host.knowledge.platforms import PLATFORMS
from mattermost_host.site.settings import ROOMS, Description

PROJECT = Path(__file__).parents[2]
SOURCE = PROJECT / "src" / "mattermost_host"
TEMPLATES = PROJECT / "templates"
COMPONENTS = sorted(path for path in (SOURCE / "components").glob("[a-z]*.py"))
OPERATIONS = sorted(path for path in (SOURCE / "ops").glob("[a-z]*.py"))
MODULES = sorted(SOURCE.rglob("*.py"))
DEPLOYS = sorted((PROJECT / "deploys").glob("*.py"))
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

Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _ids(path: Path) -> str:
    return str(path.relative_to(PROJECT))


def _where(path: Path, node: ast.expr | ast.stmt) -> str:
    return f"{_ids(path)}:{node.lineno}"


def _functions(path: Path) -> Iterator[Function]:
    yield from (node for node in ast.walk(_tree(path)) if isinstance(node, Function))


def _imports(path: Path) -> Iterator[str]:
    """Every module and name that a file imports, in full."""
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{name.name}" for name in node.names)


def test_there_is_something_to_read() -> None:
    assert {path.stem for path in COMPONENTS} >= {"base", "firewall", "postgres", "nginx"}
    assert len(MODULES) > 20
    assert len(DEPLOYS) >= 2


@pytest.mark.parametrize("path", COMPONENTS, ids=_ids)
class TestComponent:
    def test_its_four_sections_stand_in_order(self, path: Path) -> None:
        names = [
            node.name
            for node in _tree(path).body
            if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name in SECTIONS
        ]
        assert names == list(SECTIONS)

    def test_it_imports_no_other(self, path: Path) -> None:
        others = [name for name in _imports(path) if name.startswith("mattermost_host.components")]
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


@pytest.mark.parametrize("path", MODULES, ids=_ids)
def test_imports_run_downwards(path: Path) -> None:
    room = path.relative_to(SOURCE).parts[0]
    for name in _imports(path):
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
        assert "Written by mattermost-host" in head, _ids(template)


def test_the_shell_is_used_by_operations_only() -> None:
    for path in [*MODULES, *DEPLOYS]:
        if path not in OPERATIONS:
            names = set(_imports(path))
            assert "pyinfra.operations.server" not in names, _ids(path)
            assert not any(name.startswith("pyinfra.operations") for name in names), _ids(path)


PUBLIC = {
    "pyinfra.host",
    "pyinfra.config",
    "pyinfra.logger",
    "pyinfra.api.deploy",
    "pyinfra.api.operation",
    "pyinfra.api.operation.OperationMeta",
    "pyinfra.api.FunctionCommand",
    "pyinfra.api.Host",
    "pyinfra.api.State",
    "pyinfra.api.StringCommand",
    "pyinfra.api.exceptions.PyinfraError",
}
"""What deploys and operations are written with, by pyinfra's own documentation."""
BASES = {"pyinfra.api.exceptions.PyinfraError", "pyinfra_cli.exceptions.CliError"}
"""Errors that pyinfra's command prints as sentences: support/errors.py has to be both."""
STATE_ATTRIBUTES = {"op_hash_order", "get_op_meta", "get_op_data_for_host", "is_cli", "set_stage"}


def test_the_inside_of_pyinfra_is_known_to_engine_only() -> None:
    """Everything else knows the words that deploys are written with, and what engine/ offers."""
    for path in [*MODULES, *DEPLOYS, PROJECT / "config.py", *(PROJECT / "tests/host").glob("*.py")]:
        if path.parent == SOURCE / "engine":
            continue
        allowed = PUBLIC | (BASES if path == SOURCE / "support" / "errors.py" else set())
        inside = {
            name
            for name in _imports(path)
            if name.partition(".")[0] in {"pyinfra", "pyinfra_cli", "paramiko", "gevent"}
        }
        if path == SOURCE / "cli" / "entry.py":
            allowed = {"gevent.monkey"}
        assert inside <= allowed, _ids(path)
        for node in ast.walk(_tree(path)):
            if isinstance(node, ast.Attribute):
                assert node.attr not in STATE_ATTRIBUTES, _where(path, node)


def test_the_inventory_is_read_in_one_place() -> None:
    allowed = {SOURCE / "site" / "site.py", SOURCE / "engine" / "inventory.py"}
    for path in set(MODULES) - allowed | set(DEPLOYS):
        if "pyinfra.host" not in set(_imports(path)):
            continue
        for node in ast.walk(_tree(path)):
            if isinstance(node, ast.Attribute) and node.attr == "data":
                owner = node.value
                assert not (isinstance(owner, ast.Name) and owner.id == "host"), _where(path, node)


def _operations() -> dict[str, set[str]]:
    """The public functions of ops/ that make an operation: module -> names."""
    made: dict[str, set[str]] = {}
    for path in OPERATIONS:
        for function in _functions(path):
            returned = function.returns
            decorated = any("operation" in ast.dump(one) for one in function.decorator_list)
            is_meta = isinstance(returned, ast.Name) and returned.id == "OperationMeta"
            if not function.name.startswith("_") and (is_meta or decorated):
                made.setdefault(path.stem, set()).add(function.name)
    return made


def _calls_of_operations() -> Iterator[tuple[Path, ast.Call]]:
    made = _operations()
    direct = set().union(*made.values())
    for path in [*COMPONENTS, *DEPLOYS]:
        for node in ast.walk(_tree(path)):
            if not isinstance(node, ast.Call):
                continue
            match node.func:
                case ast.Attribute(value=ast.Name(id=module), attr=name):
                    if name in made.get(module, ()):
                        yield path, node
                case ast.Name(id=name):
                    if name in direct and f"ops.{name}.{name}" in " ".join(_imports(path)):
                        yield path, node


VERBS = re.compile(r"^(install|create|make|copy|write|ensure|set|run|start|restart|configure)\b")


def test_every_operation_is_named_as_a_result() -> None:
    calls = list(_calls_of_operations())
    assert len(calls) > 15
    for path, call in calls:
        keywords = {keyword.arg: keyword.value for keyword in call.keywords}
        assert "name" in keywords, f"{_where(path, call)} has no name"
        text = ast.unparse(keywords["name"]).strip("f'\"")
        assert not VERBS.match(text), f"{_where(path, call)}: {text!r} says a step, not a result"


def test_nothing_hangs_on_an_event_of_the_run() -> None:
    for path in [*MODULES, *DEPLOYS]:
        for node in ast.walk(_tree(path)):
            if isinstance(node, ast.keyword):
                assert node.arg != "_if", _where(path, node.value)
            if isinstance(node, ast.Attribute):
                assert node.attr not in {"did_change", "changed"}, _where(path, node)


def test_no_deploy_loops_over_operations() -> None:
    # pyinfra knows operations by the lines of their calls; a loop merges them.
    for path in DEPLOYS:
        loops = [node for node in ast.walk(_tree(path)) if isinstance(node, ast.For | ast.While)]
        assert loops == [], _ids(path)


@pytest.mark.parametrize("path", MODULES, ids=_ids)
class TestModule:
    def test_it_is_not_too_long(self, path: Path) -> None:
        assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST_FILE

    def test_its_functions_are_not_too_long(self, path: Path) -> None:
        for function in _functions(path):
            length = (function.end_lineno or 0) - function.lineno + 1
            assert length <= LONGEST_FUNCTION, f"{_where(path, function)} has {length} lines"

    def test_everything_public_says_what_it_is(self, path: Path) -> None:
        if path.name == "__init__.py" and not path.read_text(encoding="utf-8"):
            return
        assert ast.get_docstring(_tree(path)), "the module"
        for node in _public(_tree(path)):
            assert ast.get_docstring(node), f"{_where(path, node)} {node.name}"


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


def _models() -> Iterator[type[BaseModel]]:
    yield Description
    for path in COMPONENTS:
        module = importlib.import_module(f"mattermost_host.components.{path.stem}")
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, BaseModel) and value is not BaseModel:
                yield value


def test_settings_are_frozen_forbid_unknown_keys_and_explain_each_key() -> None:
    models = [model for model in _models() if model.__module__.startswith("mattermost_host")]
    assert len(models) > 6
    for model in models:
        if model.__name__ == "Pair":  # a certificate and its key, no settings
            continue
        assert model.model_config.get("frozen"), model
        assert model.model_config.get("extra") == "forbid", model
        for name, field in model.model_fields.items():
            row = model is Description and name in ROOMS
            assert row or field.description, f"{model.__module__}.{model.__name__}.{name}"


DISTRIBUTIONS = {one.distribution for one in PLATFORMS}
DESCRIBES_THEM = {"platforms.py", "families.py", "reference_docs.py"}
"""The last has a Debian as the example of the generated documentation."""


@pytest.mark.parametrize(
    "path", [one for one in (*MODULES, *DEPLOYS) if one.name not in DESCRIBES_THEM], ids=_ids
)
def test_no_code_asks_for_a_distribution_by_its_name(path: Path) -> None:
    """What differs is asked of the host's platform or family."""
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Constant):
            assert node.value not in DISTRIBUTIONS, _where(path, node)
        if isinstance(node, ast.Attribute) and node.attr == "distribution":
            assert path.parent.name in ("facts", "preflight"), _where(path, node)


QUESTIONS = sorted((*MODULES, *(PROJECT / "tests" / "host").glob("*.py")))


@pytest.mark.parametrize("path", QUESTIONS, ids=_ids)
def test_each_question_says_in_words_what_it_asks_about(path: Path) -> None:
    """For the sentence to an operator whose host did not answer it."""
    for node in ast.walk(_tree(path)):
        if not isinstance(node, ast.ClassDef):
            continue
        if any("Question[" in ast.unparse(one) for one in node.bases):
            names = {
                name
                for part in node.body
                for name in (
                    [part.name]
                    if isinstance(part, ast.FunctionDef)
                    else [ast.unparse(one) for one in getattr(part, "targets", ())]
                )
            }
            assert names & {"about", "subject"}, f"{_where(path, node.body[0])} {node.name}"
