"""A run that changes nothing: what a deploy would change, and what it would restart.

The plan is pyinfra's own: the deploy is prepared as for any run, and each operation is evaluated
without being executed. No second description of the state exists.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

import pyinfra
from gevent.pool import Pool
from pyinfra.api import Host, State
from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.state import StateStage
from pyinfra.context import ctx_host
from pyinfra_cli.util import load_deploy_file

from mattermost_host.engine.connections import connections
from mattermost_host.engine.explanations import Change, Severity, collecting, explained
from mattermost_host.site.site import Site
from mattermost_host.support.errors import OperatorError

DEPLOY = Path("deploys/site.py")
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
    """Names of the operations that would change nothing, by host."""
    unknown: Mapping[str, str] = field(default_factory=dict)
    """Hosts of which nothing can be told, and why."""

    @property
    def verdict(self) -> Literal["nothing", "unknown", "changes"]:
        """Whether something would change; ``unknown`` where one host could not be asked."""
        if self.unknown:
            return "unknown"
        return "changes" if any(self.steps.values()) else "nothing"

    @property
    def status(self) -> int:
        """Exit status: 0 nothing would change, 2 something would, 1 it could not tell."""
        return STATUS[self.verdict]

    @property
    def severity(self) -> Severity:
        """The gravest of all changes."""
        grave = [change.severity for _, change in self.changes()]
        return max(grave, key=ORDER.__getitem__, default="info")

    def changes(self) -> Iterator[tuple[str, Change]]:
        """Every change with its host."""
        for host, steps in self.steps.items():
            for step in steps:
                for change in step.changes:
                    yield host, change

    def to_json(self) -> str:
        """The whole plan for scripts."""
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
    """What a deploy of ``site`` would change on its hosts, or on those of ``limit``.

    Raises OperatorError where ``limit`` names no host of the site.
    """
    with prepared(site, limit) as state:
        return evaluate(state)


@contextmanager
def prepared(site: Site, limit: Sequence[str] = ()) -> Iterator[State]:
    """pyinfra's state with the deploy prepared on every host, connected and not yet executed."""
    unknown = sorted(set(limit) - {host.name for host in site.hosts})
    if unknown:
        known = ", ".join(host.name for host in site.hosts)
        raise OperatorError(f"no host {', '.join(unknown)} in {site.path}; its hosts are: {known}")
    hosts = [host for host in site.hosts if not limit or host.name in limit]
    with connections(hosts) as state, _as_its_command(), collecting():
        # Not pyinfra's own look for changes: it would ask one question at a time.
        state.check_for_changes = False
        _connect(state)
        state.set_stage(StateStage.Prepare)
        load_deploy_file(state, str(DEPLOY))
        yield state


@contextmanager
def _as_its_command() -> Iterator[None]:
    """pyinfra orders operations by their place in the deploy only where it is its command's."""
    pyinfra.is_cli = True
    try:
        yield
    finally:
        pyinfra.is_cli = False


def _connect(state: State) -> None:
    def connect(host: Host) -> str:
        try:
            host.connect(show_errors=False, raise_exceptions=True)
        except PyinfraError as error:
            return f"{host.name}: {error}"
        state.activate_host(host)
        return ""

    silent = [said for said in Pool().map(connect, list(state.inventory)) if said]
    if silent:
        raise OperatorError("no plan, because not every host could be asked\n" + "\n".join(silent))


def evaluate(state: State) -> Plan:
    """Evaluate every prepared operation on every host."""
    hosts = list(state.inventory.get_active_hosts())
    told = Pool().map(lambda host: _evaluate_host(state, host), hosts)
    return Plan(
        steps={host.name: steps for host, (steps, _) in zip(hosts, told, strict=True)},
        right={host.name: right for host, (_, right) in zip(hosts, told, strict=True)},
    )


def _evaluate_host(state: State, host: Host) -> tuple[tuple[Step, ...], tuple[str, ...]]:
    steps, right = [], []
    with ctx_host.use(host):
        for operation in host.op_hash_order:
            name = ", ".join(state.get_op_meta(operation).names)
            if state.get_op_data_for_host(host, operation).operation_meta.will_change:
                steps.append(Step(name, tuple(explained(host, operation))))
            else:
                right.append(name)
    return tuple(steps), tuple(right)
