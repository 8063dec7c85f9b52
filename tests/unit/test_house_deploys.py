"""Rules of deploys and operations: only engine/ knows pyinfra's inside, names are results."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.unit.source_tree import (
    COMPONENTS,
    DEPLOYS,
    MODULES,
    OPERATIONS,
    PROJECT,
    SOURCE,
    functions,
    ids,
    imports,
    tree_of,
    where,
)


def test_the_shell_is_used_by_operations_only() -> None:
    for path in [*MODULES, *DEPLOYS]:
        if path not in OPERATIONS:
            names = set(imports(path))
            assert "pyinfra.operations.server" not in names, ids(path)
            assert not any(name.startswith("pyinfra.operations") for name in names), ids(path)


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
            for name in imports(path)
            if name.partition(".")[0] in {"pyinfra", "pyinfra_cli", "paramiko", "gevent"}
        }
        if path == SOURCE / "cli" / "entry.py":
            allowed = {"gevent.monkey"}
        assert inside <= allowed, ids(path)
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.Attribute):
                assert node.attr not in STATE_ATTRIBUTES, where(path, node)


def test_the_inventory_is_read_in_one_place() -> None:
    allowed = {SOURCE / "site" / "site.py", SOURCE / "engine" / "inventory.py"}
    for path in set(MODULES) - allowed | set(DEPLOYS):
        if "pyinfra.host" not in set(imports(path)):
            continue
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.Attribute) and node.attr == "data":
                owner = node.value
                assert not (isinstance(owner, ast.Name) and owner.id == "host"), where(path, node)


def _operations() -> dict[str, set[str]]:
    """The public functions of ops/ that make an operation: module -> names."""
    made: dict[str, set[str]] = {}
    for path in OPERATIONS:
        for function in functions(path):
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
        for node in ast.walk(tree_of(path)):
            if not isinstance(node, ast.Call):
                continue
            match node.func:
                case ast.Attribute(value=ast.Name(id=module), attr=name):
                    if name in made.get(module, ()):
                        yield path, node
                case ast.Name(id=name):
                    if name in direct and f"ops.{name}.{name}" in " ".join(imports(path)):
                        yield path, node


VERBS = re.compile(r"^(install|create|make|copy|write|ensure|set|run|start|restart|configure)\b")


def test_every_operation_is_named_as_a_result() -> None:
    calls = list(_calls_of_operations())
    assert len(calls) > 15
    for path, call in calls:
        keywords = {keyword.arg: keyword.value for keyword in call.keywords}
        assert "name" in keywords, f"{where(path, call)} has no name"
        text = ast.unparse(keywords["name"]).strip("f'\"")
        assert not VERBS.match(text), f"{where(path, call)}: {text!r} says a step, not a result"


def test_nothing_hangs_on_an_event_of_the_run() -> None:
    for path in [*MODULES, *DEPLOYS]:
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.keyword):
                assert node.arg != "_if", where(path, node.value)
            if isinstance(node, ast.Attribute):
                assert node.attr not in {"did_change", "changed"}, where(path, node)


def test_no_deploy_loops_over_operations() -> None:
    # pyinfra knows operations by the lines of their calls; a loop merges them.
    for path in DEPLOYS:
        loops = [node for node in ast.walk(tree_of(path)) if isinstance(node, ast.For | ast.While)]
        assert loops == [], ids(path)
