"""The commands of docs/operations.md: each is valid, and run by a lab test or named as untried."""

import ast
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from pyinfra_cli.cli import cli as pyinfra

from mattermost_host.cli.main import main
from tests.lab import runbook
from tests.unit.source_tree import PROJECT, tree_of, where

TAKERS = {"typed": 2, "script": 1}
"""Functions that take a command by its heading, and where they are given its number."""
OF_OPERATOR = {"root@192.0.2.10": "192.0.2.10", '"$WHEN"': "2026-11-27"}
SECTIONS = runbook.sections()
EVERY = {
    command
    for section in SECTIONS.values()
    if section.heading != runbook.UNTRIED
    for command in (*section.commands, *section.inline)
}
OURS = sorted(command for command in EVERY if command.startswith(runbook.OURS))


def _taken() -> Iterator[str]:
    """What the lab's tests take from the document."""
    for path in sorted((PROJECT / "tests/lab").glob("*.py")):
        if path.name != "runbook.py":
            for node in ast.walk(tree_of(path)):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                    yield from _taken_by(path, node, node.func.id)


def _taken_by(path: Path, call: ast.Call, name: str) -> Iterator[str]:
    if name == "inline":
        yield runbook.inline(_literal(path, call, 0))
    elif name in TAKERS:
        place = TAKERS[name]
        number = int(_literal(path, call, place)) if len(call.args) > place else 0
        yield runbook.script(_literal(path, call, 0), number)


def _literal(path: Path, call: ast.Call, place: int) -> str:
    """An argument that can be read here, without running the test."""
    value = call.args[place]
    assert isinstance(value, ast.Constant), where(path, call)
    return str(value.value)


def test_the_document_is_read() -> None:
    assert "mattermost-host upgrade inventory.py --to 11.7.9" in EVERY
    assert "pyinfra inventory.py deploys/uninstall.py" in EVERY
    assert any(command.startswith("set -eu\ncd /var/lib/pgsql\n") for command in EVERY)
    assert len(EVERY) > 30


def test_each_command_is_run_by_a_lab_test_or_is_said_not_to_be() -> None:
    assert sorted(SECTIONS[runbook.UNTRIED].inline) == sorted(EVERY - set(_taken()))


@pytest.mark.parametrize("command", OURS)
def test_the_real_command_line_takes_it(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("inventory.py", "mattermost-11.7.9-linux-amd64.tar.gz"):
        (tmp_path / name).touch()
    _parse(runbook.replaced(command, OF_OPERATOR))


@pytest.mark.parametrize(
    "command", ["upgrade inventory.py --too 11.7.9", "upgrades inventory.py", "apply", "plan a b"]
)
def test_a_wrong_one_would_be_seen(command: str) -> None:
    with pytest.raises((click.UsageError, KeyError)):
        _parse(["mattermost-host", *command.split()])


def _parse(arguments: list[str]) -> None:
    program, *others = arguments
    if program == "pyinfra":
        pyinfra.make_context(program, others)
    else:
        main.commands[others[0]].make_context(others[0], others[1:])
