"""The exact versions in requirements/ against the bounds in pyproject.toml."""

import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT = Path(__file__).parents[2]
LOCKS = ("runtime", "development")


@cache
def _pinned(lock: str) -> dict[str, str]:
    """Name to version of every package in a lock."""
    text = (PROJECT / "requirements" / f"{lock}.txt").read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z0-9-]+)==([^ ;\\]+)", text, flags=re.MULTILINE))


def _declared() -> Iterator[tuple[str, Requirement]]:
    """Every declared dependency and the smallest lock that must hold it."""
    pyproject = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
    for text in [*pyproject["project"]["dependencies"], *pyproject["build-system"]["requires"]]:
        yield "runtime", Requirement(text)
    for text in pyproject["project"]["optional-dependencies"]["dev"]:
        yield "development", Requirement(text)


@pytest.mark.parametrize(("lock", "wanted"), list(_declared()), ids=str)
class TestDependency:
    def test_it_has_a_lower_and_an_upper_bound(self, lock: str, wanted: Requirement) -> None:
        operators = {one.operator for one in wanted.specifier}
        assert operators & {"~=", ">="}, f"{wanted} ({lock}) has no lower bound"
        assert operators & {"~=", "<"}, f"{wanted} ({lock}) has no upper bound"

    def test_its_locked_version_is_within_them(self, lock: str, wanted: Requirement) -> None:
        version = _pinned(lock).get(canonicalize_name(wanted.name))
        assert version, f"{wanted.name} is not in requirements/{lock}.txt; run make lock"
        assert wanted.specifier.contains(version), f"{wanted} is locked as {version}"


@pytest.mark.parametrize("lock", LOCKS)
def test_every_locked_package_has_hashes_and_no_address(lock: str) -> None:
    text = (PROJECT / "requirements" / f"{lock}.txt").read_text(encoding="utf-8")
    packages = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
    assert len(packages) == len(_pinned(lock)) > 40
    for package in packages:
        assert "--hash=sha256:" in package, package
    assert "://" not in text


def test_a_package_has_one_version_in_both_locks() -> None:
    runtime, development = map(_pinned, LOCKS)
    assert runtime.items() <= development.items()
    assert len(runtime) < len(development)
