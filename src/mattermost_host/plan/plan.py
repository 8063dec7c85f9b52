"""The plan: what a deploy would change and restart, without changing anything.

The deploy is prepared as for any run, and each operation is evaluated but not executed. There is no
second description of the state.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from mattermost_host.engine import run as engine
from mattermost_host.engine.explanations import Change, Severity
from mattermost_host.engine.inventory import unknown_hosts
from mattermost_host.engine.run import Run
from mattermost_host.site.site import Site
from mattermost_host.support.errors import OperatorError

DEPLOY = Path("deploys/site.py")
UPGRADE = Path("deploys/upgrade.py")
ROLLBACK = Path("deploys/rollback.py")
UPGRADE_POSTGRESQL = Path("deploys/upgrade_postgresql.py")
UPGRADE_SYSTEM = Path("deploys/upgrade_system.py")
ROLLBACK_POSTGRESQL = Path("deploys/rollback_postgresql.py")
TAKE_OVER = Path("deploys/take_over.py")
UNINSTALL = Path("deploys/uninstall.py")
RESTORE_LOOK = Path("deploys/restore_look.py")
RESTORE_HOST = Path("deploys/restore_host.py")
THIS_MACHINE = "this machine"
"""Heading of the changes that a run would make beside the inventory."""
KEPT = "Secrets | they are complete and saved beside the inventory"
STATUS = {"nothing": 0, "unknown": 1, "changes": 2}
ORDER: Mapping[Severity, int] = {"info": 0, "warning": 1, "critical": 2}


@dataclass(frozen=True)
class Step:
    """An operation that would change something."""

    name: str
    changes: tuple[Change, ...]


@dataclass(frozen=True)
class Plan:
    """What a run would do, by host."""

    steps: Mapping[str, tuple[Step, ...]]
    right: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Operations that would change nothing, by host."""
    unknown: Mapping[str, str] = field(default_factory=dict)
    """Hosts without a plan, and the reason."""

    @property
    def verdict(self) -> Literal["nothing", "unknown", "changes"]:
        """Whether something would change; ``unknown`` if a host could not be asked."""
        if self.unknown:
            return "unknown"
        return "changes" if any(self.steps.values()) else "nothing"

    @property
    def status(self) -> int:
        """Exit status: 0 nothing would change, 2 something would, 1 a host has no plan."""
        return STATUS[self.verdict]

    @property
    def severity(self) -> Severity:
        """The highest severity of all changes."""
        grave = [change.severity for _, change in self.changes()]
        return max(grave, key=ORDER.__getitem__, default="info")

    def changes(self) -> Iterator[tuple[str, Change]]:
        """All changes with their hosts."""
        for host, steps in self.steps.items():
            for step in steps:
                for change in step.changes:
                    yield host, change

    def on(self, host: str) -> Iterator[Change]:
        """All changes of one host."""
        return (change for step in self.steps.get(host, ()) for change in step.changes)

    def to_json(self) -> str:
        """The whole plan as JSON."""
        hosts = {
            host: [
                {"operation": step.name, "changes": [asdict(change) for change in step.changes]}
                for step in steps
            ]
            for host, steps in self.steps.items()
        }
        document = {
            "verdict": self.verdict,
            "status": self.status,
            "severity": self.severity,
            "hosts": hosts,
            "unknown": dict(self.unknown),
        }
        return json.dumps(document, indent=2)


def make(site: Site, limit: Sequence[str] = ()) -> Plan:
    """The plan for a deploy of ``site`` on its hosts, or on those in ``limit``.

    Raises OperatorError if ``limit`` names a host that the site does not have.
    """
    with prepared(site, limit) as run:
        return evaluate(run, site)


def chosen(site: Site, limit: Sequence[str], without: Sequence[str]) -> tuple[str, ...]:
    """The hosts in ``limit``, or all, but for those in ``without``.

    Raises OperatorError if nothing is left, or if a host is unknown.
    """
    _refuse_unknown(site, [*limit, *without])
    left = [one.name for one in site.hosts if not limit or one.name in limit]
    named = tuple(name for name in left if name not in without)
    if not named:
        raise OperatorError("no host is left; leave out --without, or name another host there")
    return named if limit or without else ()


def _refuse_unknown(site: Site, names: Sequence[str]) -> None:
    unknown = sorted(set(names) - {host.name for host in site.hosts})
    if unknown:
        raise unknown_hosts(unknown, site.path, [host.name for host in site.hosts])


@contextmanager
def prepared(site: Site, limit: Sequence[str] = (), deploy: Path | None = None) -> Iterator[Run]:
    """The deploy, prepared on every host of ``site`` and not executed yet."""
    _refuse_unknown(site, limit)
    hosts = [host for host in site.hosts if not limit or host.name in limit]
    with engine.prepared(hosts, deploy or DEPLOY) as run:
        yield run


def evaluate(run: Run, site: Site) -> Plan:
    """Evaluate all prepared operations, and what the run would write on this machine."""
    found = run.operations()
    planned = site.secrets.planned
    here = {THIS_MACHINE: (Step(KEPT, planned),)} if planned else {}
    return Plan(
        steps=here
        | {
            host: tuple(Step(one.name, one.changes) for one in operations if one.will_change)
            for host, operations in found.items()
        },
        right={
            host: tuple(one.name for one in operations if not one.will_change)
            for host, operations in found.items()
        },
    )
