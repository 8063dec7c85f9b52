"""Preflight: every host is checked before any change, and all findings are reported together."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import chain
from threading import Lock
from typing import Protocol
from weakref import WeakKeyDictionary

from pyinfra.api import Host, State
from rich.console import Console

from mattermost_host.engine import each_host
from mattermost_host.engine.connections import active_hosts, all_hosts, connections, current_state
from mattermost_host.engine.inventory import SiteHost
from mattermost_host.engine.refusals import LOG_IN, Refusal
from mattermost_host.facts.host import HostFacts
from mattermost_host.facts.reading import Reading, facts_of
from mattermost_host.preflight.finding import Finding, Inquiry, Need, Requirement, SiteRequirement
from mattermost_host.preflight.host import unknown_system
from mattermost_host.preflight.report import PreflightError, Report
from mattermost_host.support.errors import Mistake, OperatorError

REACHABLE = "reachable"
NO_ANSWER = Refusal("no answer", LOG_IN)

Requirements = Mapping[str, Sequence[Need]]
"""The requirements of each host, by the host's name."""


class _Backup(Protocol):
    @property
    def to(self) -> str | None: ...


class _Settings(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def skip(self) -> Mapping[str, str]: ...
    @property
    def backup(self) -> "_Backup": ...


class Checked(Protocol):
    """What the preflight needs to know of a site."""

    @property
    def settings(self) -> _Settings: ...
    @property
    def hosts(self) -> Sequence[SiteHost]: ...
    @property
    def known(self) -> Mapping[str, HostFacts]: ...
    def requirements(self, host_name: str) -> Sequence[Need]: ...


_lock = Lock()
_done: WeakKeyDictionary[State, tuple[Reading, Report]] = WeakKeyDictionary()


def require(site: Checked, aside: Collection[str] = ()) -> Mapping[str, HostFacts]:
    """The facts of every active host by its name, for deploys while they are prepared.

    ``aside``: names of checks that the deploy judges itself. The first greenlet asks all hosts, the
    others get the same answer. Raises PreflightError if a host does not meet the requirements.
    """
    state = current_state()
    with _lock:
        if state not in _done:
            reading, report = _examine(site, _of_site(site, state), aside)
            report = report.without(aside)
            _done[state] = reading, report
            if not report.errors:
                report.show(Console(stderr=True))
    reading, report = _done[state]
    if report.errors:
        raise PreflightError(report)
    return reading.facts


def _of_site(site: Checked, state: State) -> list[Host]:
    """The active hosts of the site, without an ops host that has no role."""
    names = {host.name for host in site.hosts}
    return sorted((one for one in active_hosts(state) if one.name in names), key=str)


def run(site: Checked) -> Report:
    """Connect to every host of the site, check it, disconnect; nothing is changed."""
    with connections(site.hosts) as state:
        return _examine(site, all_hosts(state))[1]


def collect(
    requirements: Requirements,
    facts: Mapping[str, HostFacts],
    skip: Mapping[str, str],
    silent: Mapping[str, Refusal] | None = None,
    inquired: Mapping[str, Sequence[Finding]] | None = None,
) -> Report:
    """All findings of all hosts.

    ``silent`` are the hosts that did not answer, with the reason; ``inquired`` are the findings of
    inquiries. ``skip_mistakes`` has checked what is in ``skip``.
    """
    findings: dict[str, tuple[Finding, ...]] = {}
    together = _together(requirements, facts, skip)
    for host, needed in requirements.items():
        if host in facts:
            inquiries = (inquired or {}).get(host, ())
            found = chain(_checked(needed, host, facts[host], together, skip), inquiries)
            # Two components may have the same requirement.
            findings[host] = tuple(dict.fromkeys(found))
        else:
            findings[host] = (_unreachable((silent or {}).get(host, NO_ANSWER)),)
    return Report(findings)


def skip_mistakes(site: Checked) -> list[Mistake]:
    """The keys of ``skip`` that are not names of checks, and those without a reason."""
    skip = site.settings.skip
    if not skip:
        return []
    needed = chain.from_iterable(site.requirements(host.name) for host in site.hosts)
    known = sorted({name for one in needed for name in one.checks})
    unknown = [
        Mistake(f"skip.{name}", "an unknown check", f"known checks: {', '.join(known)}")
        for name in skip
        if name not in known
    ]
    silent = [
        Mistake(f"skip.{name}", "no reason", "write one; it is printed at every run")
        for name, reason in skip.items()
        if not reason.strip()
    ]
    return unknown + silent


_Together = Mapping[str, Sequence[tuple[str, Finding]]]


def _together(
    requirements: Requirements, facts: Mapping[str, HostFacts], skip: Mapping[str, str]
) -> _Together:
    """The findings of requirements that look at several hosts; each is evaluated once."""
    shared: dict[str, tuple[SiteRequirement, dict[str, HostFacts]]] = {}
    for host, needed in requirements.items():
        for one in needed:
            if isinstance(one, SiteRequirement) and host in facts and one.name not in skip:
                shared.setdefault(one.name, (one, {}))[1][host] = facts[host]
    return {name: tuple(one.check(hosts)) for name, (one, hosts) in shared.items()}


def _checked(
    needed: Sequence[Need],
    host: str,
    facts: HostFacts,
    together: _Together,
    skip: Mapping[str, str],
) -> Iterator[Finding]:
    for one in needed:
        if isinstance(one, Inquiry):
            continue
        if one.name in skip:
            yield _skipped(one.name, skip)
        elif isinstance(one, Requirement):
            yield from _judged(one, facts)
        else:
            yield from (finding for about, finding in together[one.name] if about == host)


def _judged(needed: Requirement, facts: HostFacts) -> Iterator[Finding]:
    try:
        yield from needed.check(facts)
    except OperatorError as error:
        if nobody_knows := unknown_system(facts):
            # One finding for all checks, also where the one of the system is skipped.
            yield nobody_knows
        else:
            yield Finding(needed.name, "error", "not known for this system", "", str(error))


def _skipped(name: str, skip: Mapping[str, str]) -> Finding:
    return Finding(name, "skipped", skip[name])


def _unreachable(refusal: Refusal) -> Finding:
    needed = "a shell on the host, as root or by sudo"
    return Finding(REACHABLE, "error", refusal.found, needed, f"{refusal.remedy}.")


def _examine(
    site: Checked, hosts: Sequence[Host], aside: Collection[str] = ()
) -> tuple[Reading, Report]:
    """Ask ``hosts`` and collect all findings."""
    told, skip = site.settings, site.settings.skip
    requirements = {host.name: site.requirements(host.name) for host in hosts}
    reading = facts_of(hosts, told.name, site.known, told.backup.to or "")
    answering = [host for host in hosts if host.name in reading.facts]
    wanted = {
        host: [one for one in needed if not set(one.checks) <= set(aside)]
        for host, needed in requirements.items()
    }
    inquired = _inquire(answering, reading.facts, wanted, skip)
    return reading, collect(requirements, reading.facts, skip, reading.silent, inquired)


def _inquire(
    hosts: Sequence[Host],
    facts: Mapping[str, HostFacts],
    requirements: Requirements,
    skip: Mapping[str, str],
) -> Mapping[str, Sequence[Finding]]:
    def ask(host: Host) -> list[Finding]:
        return [
            _skipped(finding.name, skip) if finding.name in skip else finding
            for inquiry in requirements[host.name]
            if isinstance(inquiry, Inquiry)
            for finding in _answers(inquiry, host, facts[host.name], skip)
        ]

    found = each_host.ask(hosts, ask)
    return {host.name: findings for host, findings in zip(hosts, found, strict=True)}


def _answers(
    inquiry: Inquiry, host: Host, facts: HostFacts, skip: Mapping[str, str]
) -> Sequence[Finding]:
    first = next(iter(inquiry.checks))
    return [_skipped(first, skip)] if first in skip else list(inquiry.ask(host, facts))
