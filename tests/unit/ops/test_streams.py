"""Module streams of dnf: read from its files, enabled once, put back when switched by hand."""

import pytest

from mattermost_host.ops import packages
from mattermost_host.ops.packages import PackageStates
from mattermost_host.ops.streams import Found, ModuleStreams, differences
from tests.unit.fake_host import Plan, answering, plan

NGINX = "[nginx]\nname=nginx\nstream=1.24\nprofiles=common\nstate=enabled\n"
DISABLED = "[postgresql]\nname=postgresql\nstream=\nprofiles=\nstate=disabled\n"
RESET = "[postgresql]\nname=postgresql\nstream=\nprofiles=\nstate=\n"
ASKED = ModuleStreams(("nginx",))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", {}),
        (NGINX, {"nginx": "1.24"}),
        (NGINX + DISABLED, {"nginx": "1.24", "postgresql": None}),
        (RESET + NGINX, {"nginx": "1.24"}),
        ("# stream=1\n[nginx]\nstate = enabled\nstream = 1.24\n", {"nginx": "1.24"}),
        ("state=enabled\nstream=1\nnonsense\n", {}),
    ],
)
def test_the_files_of_dnf_are_read(text: str, found: dict[str, str | None]) -> None:
    assert ASKED.parse(text.splitlines()) == found


def _plan(fixed: dict[str, str | None], wanted: str | None, version: str = "1.24.0-1") -> Plan:
    asked = PackageStates(("nginx",), "dnf")
    return plan(
        lambda: packages.installed("NGINX is installed", ["nginx"], "dnf", {"nginx": wanted}),
        answer=answering({asked: {"nginx": version} if version else {}, ASKED: fixed}),
    )


@pytest.mark.parametrize(
    ("fixed", "wanted", "told"),
    [
        ({}, "1.24", "module enable nginx:1.24"),
        ({"nginx": None}, "1.24", "module enable nginx:1.24"),
        ({"nginx": "1.22"}, "1.24", "module switch-to nginx:1.24"),
        ({}, None, "module disable nginx"),
        ({"nginx": "1.22"}, None, "module disable nginx"),
    ],
)
def test_a_stream_that_differs_is_changed(
    fixed: dict[str, str | None], wanted: str | None, told: str
) -> None:
    commands = _plan(fixed, wanted).shell
    assert f" $dnf {told} " in commands
    assert " install " not in commands
    with_package = _plan(fixed, wanted, version="").shell
    assert with_package.index(f" $dnf {told} ") < with_package.index(" $dnf install nginx ")


@pytest.mark.parametrize(
    ("fixed", "wanted"), [({"nginx": "1.24"}, "1.24"), ({"nginx": None}, None)]
)
def test_a_stream_that_is_right_is_left(fixed: dict[str, str | None], wanted: str | None) -> None:
    assert _plan(fixed, wanted).shell == ""
    assert _plan(fixed, wanted).round_trips == 1


def _changes(fixed: dict[str, str | None], version: str) -> list[tuple[str, bool]]:
    found = Found(fixed, {"nginx": version})
    return [(one.found, one.heals) for one in differences({"nginx": "1.24"}, found)]


@pytest.mark.parametrize("fixed", [{}, {"nginx": "1.26"}, {"nginx": "1.24"}])
def test_packages_of_another_stream_are_put_back_by_an_operator_only(
    fixed: dict[str, str | None],
) -> None:
    (moved, heals), *_ = _changes(fixed, "1.26.3-1")
    assert (moved, heals) == (
        "has nginx 1.26.3 installed, which is not of its stream 1.24",
        False,
    )
    assert " $dnf module switch-to nginx:1.24 " in _plan(fixed, "1.24", "1.26.3-1").shell


@pytest.mark.parametrize("fixed", [{}, {"nginx": "1.26"}])
def test_a_stream_without_its_packages_is_put_back_by_any_run(
    fixed: dict[str, str | None],
) -> None:
    ((_, heals),) = _changes(fixed, "1.24.0-1")
    assert heals


def test_a_module_that_is_disabled_has_packages_of_others() -> None:
    assert _plan({"nginx": None}, None, "1.29.0-1").shell == ""
