"""The report of a verification: a line for each component of each host, failures as sentences."""

import json
from collections.abc import Generator, Iterable
from dataclasses import dataclass, field

import pytest
from rich.console import Console
from rich.text import Text

from mattermost_host.support.defects import defect
from mattermost_host.support.errors import OperatorError

HERE = "this machine"
"""The heading of failures without a host, such as a test file that can't be imported."""


@dataclass
class Group:
    """The results of one component on one host."""

    held: int = 0
    failures: list[tuple[str, str]] = field(default_factory=list)
    """Failures: the check's name and its sentences."""
    notes: list[tuple[str, str]] = field(default_factory=list)
    """Measurements: name and value."""


class Report:
    """A pytest plugin that collects the results by host and component."""

    def __init__(self) -> None:
        self.groups: dict[tuple[str, str], Group] = {}

    @property
    def holds(self) -> bool:
        """Whether at least one check was made, and all have passed."""
        groups = self.groups.values()
        return any(group.held for group in groups) and not any(one.failures for one in groups)

    def to_json(self, status: int) -> str:
        """The whole report for scripts, by host and component."""
        hosts: dict[str, dict[str, object]] = {}
        for (host, component), group in self.groups.items():
            hosts.setdefault(host, {})[component] = {
                "passed": group.held,
                "failures": [{"check": name, "found": found} for name, found in group.failures],
                "notes": [{"name": name, "value": value} for name, value in group.notes],
            }
        return json.dumps({"status": status, "hosts": hosts}, indent=2)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Record the outcome of each test for its host and component."""
        report = yield
        group = self._group(item)
        if report.when == "call" and report.passed:
            group.held += 1
        elif report.skipped:
            group.notes.append((f"not judged: {_sentence(item)}", _reason(call)))
        elif report.failed:
            group.failures.append((_sentence(item), _reason(call)))
        if report.when == "call":
            group.notes += [(name, str(value)) for name, value in report.user_properties]
        return report

    def pytest_exception_interact(
        self, call: pytest.CallInfo[None], report: pytest.CollectReport | pytest.TestReport
    ) -> None:
        """Record a test file that can't be imported as a failure."""
        if isinstance(report, pytest.CollectReport):
            self._keep_defect(report.nodeid, f"{report.nodeid}: {_reason(call)}")

    def pytest_internalerror(self, excinfo: pytest.ExceptionInfo[BaseException]) -> bool:
        """Record an internal error of pytest; returning True suppresses its traceback."""
        self._keep_defect("The verification", defect(excinfo.value))
        return True

    def _keep_defect(self, what: str, sentence: str) -> None:
        group = self.groups.setdefault((HERE, "verification"), Group())
        group.failures.append((what, sentence))

    def _group(self, item: pytest.Item) -> Group:
        parameters = item.callspec.params if isinstance(item, pytest.Function) else {}
        subject = item.path.stem.removeprefix("test_")
        key = (str(parameters.get("seen", HERE)), str(parameters.get("component", subject)))
        return self.groups.setdefault(key, Group())

    def show(self, console: Console) -> None:
        """Print the summary."""
        for host in dict.fromkeys(host for host, _ in self.groups):
            mine = {name: group for (one, name), group in self.groups.items() if one == host}
            console.print(Text(host, style="bold"))
            if sentence := _only_failure(mine.values()):
                console.print(Text(f"  {sentence}", style="red"))
                continue
            for name, group in mine.items():
                _show_group(console, name, group)
        failed = sum(len(group.failures) for group in self.groups.values())
        held = sum(group.held for group in self.groups.values())
        if failed:
            console.print(Text(f"{failed} of {_checks(held + failed)} failed.", style="bold red"))
        elif held:
            passed = f"{'All ' if held > 1 else ''}{_checks(held)} passed."
            console.print(Text(passed, style="bold green"))
        else:
            console.print(Text("Nothing was judged.", style="bold red"))


def _checks(number: int) -> str:
    return f"{number} check{'s' if number != 1 else ''}"


def _show_group(console: Console, name: str, group: Group) -> None:
    """Print a line for the component, its failures and its measurements."""
    total = group.held + len(group.failures)
    style = "red" if group.failures else "green"
    console.print(Text(f"  {name:<12} {group.held} of {total} passed", style=style))
    for check, sentences in group.failures:
        console.print(f"    {check}:", markup=False)
        for sentence in sentences.splitlines():
            console.print(f"      {sentence}", markup=False)
    for what, value in group.notes:
        console.print(f"    {what}: {value}", markup=False)


def _only_failure(groups: Iterable[Group]) -> str:
    """The sentence that all checks of a host failed with, if it can't be asked at all."""
    found = list(groups)
    sentences = {sentence for group in found for _, sentence in group.failures}
    if any(group.held for group in found) or len(sentences) != 1:
        return ""
    return sentences.pop()


def _sentence(item: pytest.Item) -> str:
    """What a test checks, from the first line of its docstring."""
    documentation = item.function.__doc__ if isinstance(item, pytest.Function) else None
    return (documentation or item.name).partition("\n")[0].rstrip(".")


def _reason(call: pytest.CallInfo[None]) -> str:
    """The sentences of a failure; other exceptions are reported as a defect of the check."""
    error = call.excinfo.value if call.excinfo else None
    if isinstance(error, pytest.fail.Exception | pytest.skip.Exception):
        return error.msg or ""
    if isinstance(error, OperatorError):
        return str(error)
    return f"this check could not run: {defect(error) if error else 'no reason is known'}"
