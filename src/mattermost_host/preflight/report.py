"""The preflight's report: for a terminal, as JSON, and as the text of an error."""

import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass

from rich.console import Console
from rich.table import Table
from rich.text import Text

from mattermost_host.preflight.finding import Finding, Verdict
from mattermost_host.support.errors import OperatorError, visible

STYLES: Mapping[Verdict, str] = {
    "error": "bold red",
    "warning": "yellow",
    "skipped": "cyan",
    "note": "cyan",
    "ok": "green",
}
NARROWEST = 80


@dataclass(frozen=True)
class Report:
    """All findings, by the hosts' names."""

    findings: Mapping[str, tuple[Finding, ...]]

    @property
    def errors(self) -> list[tuple[str, Finding]]:
        """All errors, with their hosts."""
        return [(host, one) for host, one in self._every() if one.verdict == "error"]

    def without(self, names: Collection[str]) -> "Report":
        """The same without these checks."""
        every = self.findings.items()
        kept = {host: tuple(one for one in found if one.name not in names) for host, found in every}
        return Report(kept)

    def summary(self, host: str) -> str:
        """``mm1: 17 checks, 1 error, 1 warning, 1 skipped``."""
        findings = self.findings[host]
        counted = Counter(one.verdict for one in findings)
        parts = [_count(len({one.name for one in findings}), "check")]
        parts += [
            _count(counted[verdict], verdict)
            for verdict in ("error", "warning")
            if counted[verdict]
        ]
        if counted["skipped"]:
            parts.append(f"{counted['skipped']} skipped")
        return f"{host}: {', '.join(parts)}"

    def show(self, console: Console | None = None, *, verbose: bool = False) -> None:
        """Print a line for each host, and what is not well; with ``verbose``, everything."""
        console = console or Console()
        console.width = max(console.width, NARROWEST)
        for host, findings in self.findings.items():
            shown = [one for one in findings if verbose or one.verdict != "ok"]
            if shown:
                console.print(_table(shown))
            console.print(Text(self.summary(host)))

    def to_json(self) -> str:
        """All findings, and the numbers of errors and warnings, as JSON."""
        verdicts = Counter(one.verdict for _, one in self._every())
        return json.dumps(
            {
                "errors": verdicts["error"],
                "warnings": verdicts["warning"],
                "hosts": {
                    host: [asdict(one) for one in findings]
                    for host, findings in self.findings.items()
                },
            },
            indent=2,
            ensure_ascii=False,
        )

    def lines(self) -> Iterator[str]:
        """Plain text: a line for each host, followed by what is not well."""
        for host, findings in self.findings.items():
            yield self.summary(host)
            for one in findings:
                if one.verdict != "ok":
                    yield f"  - {_sentence(one)}"

    def _every(self) -> Iterator[tuple[str, Finding]]:
        for host, findings in self.findings.items():
            yield from ((host, one) for one in findings)


class PreflightError(OperatorError):
    """A host does not meet the requirements; holds all findings of all hosts."""

    def __init__(self, report: Report):
        self.report = report
        head = f"preflight found {_count(len(report.errors), 'error')}; nothing was changed"
        super().__init__("\n".join([head, *report.lines()]))


def _table(findings: list[Finding]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("", no_wrap=True)
    table.add_column("check", no_wrap=True)
    table.add_column("found, needed, what to do", overflow="fold", ratio=1)
    for one in findings:
        text = [part for part in (one.found, one.needed and f"needed: {one.needed}") if part]
        body = Text(visible("\n".join([*text, *([one.remedy] if one.remedy else [])])))
        table.add_row(Text(one.verdict, style=STYLES[one.verdict]), one.name, body)
    return table


def _sentence(finding: Finding) -> str:
    parts = [f"{finding.verdict}, {finding.name}: {finding.found}"]
    if finding.needed:
        parts.append(f"needed: {finding.needed}")
    return "; ".join(parts) + (f". {finding.remedy}" if finding.remedy else "")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' if number != 1 else ''}"
