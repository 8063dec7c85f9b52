"""Module streams of dnf: read from its files, enabled once, put back when switched by hand."""

import pytest

from mattermost_host.ops import packages
from mattermost_host.ops.packages import PackageStates
from mattermost_host.ops.streams import ModuleStreams
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


def _plan(fixed: dict[str, str | None], wanted: str | None, installed: bool = True) -> Plan:
    asked = PackageStates(("nginx",), "dnf")
    return plan(
        lambda: packages.installed("NGINX is installed", ["nginx"], "dnf", {"nginx": wanted}),
        answer=answering({asked: {"nginx": "1.24.0-1"} if installed else {}, ASKED: fixed}),
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
    with_package = _plan(fixed, wanted, installed=False).shell
    assert with_package.index(f" $dnf {told} ") < with_package.index(" $dnf install nginx ")


@pytest.mark.parametrize(
    ("fixed", "wanted"), [({"nginx": "1.24"}, "1.24"), ({"nginx": None}, None)]
)
def test_a_stream_that_is_right_is_left(fixed: dict[str, str | None], wanted: str | None) -> None:
    assert _plan(fixed, wanted).shell == ""
    assert _plan(fixed, wanted).round_trips == 1
