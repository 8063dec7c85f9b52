"""A plan in words, as JSON and as JUnit."""

import io
import json
from xml.etree import ElementTree

import pytest
from rich.console import Console

from mattermost_host.engine.explanations import Change, Severity
from mattermost_host.plan import report as plan_report
from mattermost_host.plan.plan import Plan, Step

EDITED = Change("/etc/x", "has another content", diff=("--- on the host", "+++ as described", "-a"))
OPENED = Change("/etc/secret", "has mode 644 instead of 600", severity="critical")
COMMENT = Change("/etc/y", "has another content", severity="info")
RESTART = Change("mm.service", "was started before /etc/x changed", "restart")
RELOAD = Change("nginx.service", "has not read /etc/z since it changed", "reload")
FILES = Step("files are in place", (EDITED, OPENED))
RUNNING = Step("the server runs", (RESTART,))
RELOADED = Step("NGINX is running", (RELOAD,))
DRIFTED = Plan({"mm1": (FILES, RUNNING, RELOADED)}, {"mm1": ("packages are installed",)})
RIGHT = Plan({"mm1": ()}, {"mm1": ("packages are installed",)})


@pytest.mark.parametrize(
    ("plan", "verdict", "status"),
    [
        (RIGHT, "nothing", 0),
        (DRIFTED, "changes", 2),
        (Plan({"mm1": (FILES,)}, unknown={"mm2": "no answer"}), "unknown", 1),
    ],
)
def test_the_exit_status_says_it(plan: Plan, verdict: str, status: int) -> None:
    assert (plan.verdict, plan.status) == (verdict, status)


@pytest.mark.parametrize(
    ("changes", "severity"),
    [
        ((), "info"),
        ((COMMENT,), "info"),
        ((COMMENT, EDITED), "warning"),
        ((EDITED, OPENED), "critical"),
    ],
)
def test_the_gravest_change_counts(changes: tuple[Change, ...], severity: Severity) -> None:
    assert Plan({"mm1": (Step("x", changes),)}).severity == severity


def _shown(plan: Plan) -> list[str]:
    out = io.StringIO()
    plan_report.show(plan, Console(file=out, width=120, soft_wrap=True))
    return out.getvalue().splitlines()


def test_what_would_restart_stands_apart() -> None:
    assert _shown(DRIFTED) == [
        "mm1: 3 of 4 operations would change something",
        "  files are in place",
        "    /etc/x has another content",
        "      --- on the host",
        "      +++ as described",
        "      -a",
        "    /etc/secret has mode 644 instead of 600",
        "  would restart: mm.service, because it was started before /etc/x changed",
        "  would reload: nginx.service, because it has not read /etc/z since it changed",
    ]


def test_on_a_terminal_a_line_is_never_broken(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    long = Change("/etc/a/path/that/is/longer/than/the/terminal/is/wide", "is missing")
    plan_report.show(Plan({"mm1": (Step("files are in place", (long,)),)}))
    assert f"    {long}\n" in capsys.readouterr().out


def test_colours_tell_what_is_severe_what_restarts_and_what_was_added(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("FORCE_COLOR", "1"), ("TERM", "xterm"), ("COLUMNS", "120")):
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("NO_COLOR", raising=False)
    plan_report.show(DRIFTED)
    assert [line.removesuffix("\x1b[0m") for line in capsys.readouterr().out.splitlines()] == [
        "mm1: 3 of 4 operations would change something",
        "  files are in place",
        "\x1b[33m    /etc/x has another content",
        "\x1b[31m      --- on the host",
        "\x1b[32m      +++ as described",
        "\x1b[31m      -a",
        "\x1b[1;31m    /etc/secret has mode 644 instead of 600",
        "\x1b[1m  would restart: mm.service, because it was started before /etc/x changed",
        "\x1b[1m  would reload: nginx.service, because it has not read /etc/z since it changed",
    ]


def test_nothing_to_do_is_one_line() -> None:
    assert _shown(RIGHT) == ["mm1: nothing would change; operations in place already: 1"]


def test_a_restart_makes_a_reload_needless() -> None:
    both = Plan(
        {"mm1": (Step("x", (Change("u", "is old", "restart"), Change("u", "y", "reload"))),)}
    )
    assert [line for line in _shown(both) if "would re" in line] == [
        "  would restart: u, because it is old"
    ]


def test_json_is_whole() -> None:
    document = json.loads(DRIFTED.to_json())
    assert (document["verdict"], document["status"]) == ("changes", 2)
    first = document["hosts"]["mm1"][0]
    assert first["operation"] == "files are in place"
    assert first["changes"][1]["severity"] == "critical"


def test_junit_counts_operations() -> None:
    suite = ElementTree.fromstring(plan_report.junit(DRIFTED)).find("testsuite")
    assert suite is not None
    assert (suite.get("tests"), suite.get("failures")) == ("4", "3")
    assert len(suite.findall("testcase/failure")) == 3
