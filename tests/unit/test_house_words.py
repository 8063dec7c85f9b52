"""Rules of words: settings and questions are explained, and no code names a distribution."""

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from mattermost_host.knowledge.platforms import PLATFORMS
from mattermost_host.site.settings import ROOMS, Description
from tests.unit.source_tree import (
    COMPONENTS,
    DEPLOYS,
    MODULES,
    PROJECT,
    ids,
    tree_of,
    where,
)


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
    "path", [one for one in (*MODULES, *DEPLOYS) if one.name not in DESCRIBES_THEM], ids=ids
)
def test_no_code_asks_for_a_distribution_by_its_name(path: Path) -> None:
    """What differs is asked of the host's platform or family."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Constant):
            assert node.value not in DISTRIBUTIONS, where(path, node)
        if isinstance(node, ast.Attribute) and node.attr == "distribution":
            assert path.parent.name in ("facts", "preflight"), where(path, node)


QUESTIONS = sorted((*MODULES, *(PROJECT / "tests" / "host").glob("*.py")))


@pytest.mark.parametrize("path", QUESTIONS, ids=ids)
def test_each_question_says_in_words_what_it_asks_about(path: Path) -> None:
    """For the sentence to an operator whose host did not answer it."""
    for node in ast.walk(tree_of(path)):
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
            assert names & {"about", "subject"}, f"{where(path, node.body[0])} {node.name}"
