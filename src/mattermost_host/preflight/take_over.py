"""Whether the server on the host that is being prepared may be taken over."""

from pyinfra import host
from rich.console import Console

from mattermost_host.facts.host import HostFacts
from mattermost_host.preflight.adoption import Look, judge, look
from mattermost_host.preflight.finding import Finding
from mattermost_host.preflight.report import PreflightError, Report
from mattermost_host.support.errors import OperatorError


def refuse(*, hosts: int, roles: tuple[str, ...], local_database: bool) -> None:
    """Raise OperatorError for a site that no single server can become."""
    if hosts > 1 or not local_database or not {"app", "db", "proxy"} <= set(roles):
        raise OperatorError(
            "a server is taken over to a site on one host, with its database: this inventory has "
            "several hosts, or an external database"
        )


def advise(facts: HostFacts, version: str) -> Look:
    """Show what is found; ``version`` is the release that the inventory leads to.

    Raises PreflightError where it may not begin.
    """
    found = look(host, facts)
    findings = [*judge(found), release(found, version)]
    report = Report({host.name: tuple(findings)})
    if report.errors:
        raise PreflightError(report)
    report.show(Console(stderr=True), verbose=True)
    return found


def release(found: Look, version: str) -> Finding:
    """Whether the inventory leads to the release that the server has."""
    name, has = "adopt-release", found.foreign.version
    if version == has:
        return Finding(name, "ok", f"{has}, as before")
    return Finding(
        name,
        "error",
        f"the server is release {has}, and the inventory leads to {version}",
        "the same release: it moves once the server is the site's own",
        f"State {has}; `mattermost-host upgrade` moves it afterwards.",
    )
