"""A plan as text, and as a JUnit file."""

from collections.abc import Iterator
from xml.etree import ElementTree

from rich.console import Console
from rich.text import Text

from mattermost_host.engine.explanations import Change
from mattermost_host.plan.plan import Plan, Step

STYLES = {"critical": "bold red", "warning": "yellow", "info": ""}
INDENT = "    "


def show(plan: Plan, console: Console | None = None) -> None:
    """Print the changes of each host, and separately what would restart and why."""
    out = console or Console(highlight=False, soft_wrap=True)
    for host, steps in plan.steps.items():
        right = len(plan.right.get(host, ()))
        if not steps:
            out.print(f"{host}: nothing would change; operations in place already: {right}")
            continue
        out.print(f"{host}: {len(steps)} of {len(steps) + right} operations would change something")
        for step in steps:
            for line in _step(step):
                out.print(line)
        for line in _interruptions(steps):
            out.print(line)


def _step(step: Step) -> Iterator[Text]:
    changes = [change for change in step.changes if change.effect == "change"]
    if not changes and step.changes:
        return
    yield Text(f"  {step.name}")
    for change in changes:
        yield Text(f"{INDENT}{change}", style=STYLES[change.severity])
        yield from (Text(f"{INDENT}  {line}", style=_colour(line)) for line in change.diff)


def _interruptions(steps: tuple[Step, ...]) -> Iterator[Text]:
    told: dict[tuple[str, str], list[Change]] = {}
    for step in steps:
        for change in step.changes:
            if change.effect != "change":
                told.setdefault((change.effect, change.subject), []).append(change)
    restarted = {subject for effect, subject in told if effect == "restart"}
    for (effect, subject), changes in told.items():
        if effect == "reload" and subject in restarted:
            continue
        why = ", and ".join(dict.fromkeys(change.found for change in changes))
        yield Text(f"  would {effect}: {subject}, because it {why}", style="bold")


def _colour(line: str) -> str:
    return {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "")


def junit(plan: Plan) -> str:
    """Each operation becomes a test case; one that would change something is a failure."""
    suites = ElementTree.Element("testsuites", name="plan")
    for host, steps in plan.steps.items():
        right = plan.right.get(host, ())
        suite = ElementTree.SubElement(
            suites,
            "testsuite",
            name=host,
            tests=str(len(steps) + len(right)),
            failures=str(len(steps)),
        )
        for name in right:
            ElementTree.SubElement(suite, "testcase", classname=host, name=name)
        for step in steps:
            case = ElementTree.SubElement(suite, "testcase", classname=host, name=step.name)
            told = "; ".join(str(change) for change in step.changes) or "would change something"
            ElementTree.SubElement(case, "failure", message=told).text = told
    return ElementTree.tostring(suites, encoding="unicode", xml_declaration=True)
