"""Tampering, and what the plan, the verification and a run make of it.

Each tampering has to be named by the plan and seen by the verification, put right by a run that
disturbs nobody else, and then both have to say that all is well.
"""

import json
import shlex
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from tests.lab.deployment import Deployment

POSTGRES = "postgresql@15-main.service"
MATTERMOST, NGINX, FIREWALL = "mattermost.service", "nginx.service", "mattermost-firewall.service"
UNITS = (POSTGRES, MATTERMOST, NGINX)


@dataclass(frozen=True)
class Tampering:
    """Shell that does it, words that have to name it, and who may be restarted to put it right."""

    shell: str
    names: frozenset[str]
    may_restart: frozenset[str] = frozenset()
    reloads: frozenset[str] | None = None
    """What is reloaded and nothing else, where that matters."""


def tampering(
    shell: str, names: Collection[str], *may_restart: str, reloads: Collection[str] | None = None
) -> Tampering:
    """As it is written in a catalogue."""
    reloaded = None if reloads is None else frozenset(reloads)
    return Tampering(shell, frozenset(names), frozenset(may_restart), reloaded)


@dataclass(frozen=True)
class Told:
    """What `mattermost-host plan` said."""

    status: int
    found: str
    interrupted: frozenset[str]
    """What it would restart."""
    reloaded: frozenset[str]


def plan(deployment: Deployment) -> Told:
    """Ask for a plan."""
    file = deployment.inventory.with_name("plan.json")
    command = ("mattermost-host", "plan", str(deployment.inventory), "--json", str(file))
    status = deployment.run(*command, check=False).status
    hosts: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))["hosts"]
    changes = [change for steps in hosts.values() for step in steps for change in step["changes"]]
    return Told(
        status,
        "; ".join(f"{change['subject']} {change['found']}" for change in changes),
        *(
            frozenset(one["subject"] for one in changes if one["effect"] == effect)
            for effect in ("restart", "reload")
        ),
    )


def heals(deployment: Deployment, done: Tampering, units: Collection[str] = UNITS) -> None:
    """Do it; plan and verification see it, a run repairs it, nobody else restarts."""
    deployment.host.run(done.shell)
    before = deployment.started(*units)
    told = plan(deployment)
    assert told.status == 2, "the plan saw nothing"
    unnamed = {name for name in done.names if name not in told.found}
    assert not unnamed, f"{unnamed} not named in: {told.found}"
    assert done.reloads in (None, told.reloaded), told.found
    others = told.interrupted - done.may_restart
    assert not others, f"the plan would restart {others}: {told.found}"
    inventory = str(deployment.inventory)
    assert deployment.run("mattermost-host", "verify", inventory, check=False).status == 1
    run = deployment.run("mattermost-host", "apply", "--yes", inventory)
    assert "everything holds" in run.output, run.output
    after = plan(deployment)
    assert after.status == 0, after.found
    restarted = {unit for unit, id_ in deployment.started(*units).items() if id_ != before[unit]}
    assert restarted <= done.may_restart, f"restarted for no reason: {restarted}"


def sql(statement: str, database: str = "postgres") -> str:
    """Shell that runs a statement as PostgreSQL's superuser."""
    return f"cd /; runuser -u postgres -- psql -q -d {database} -c {shlex.quote(statement)}"


def main_process(unit: str) -> str:
    """A shell's word for the process of a unit."""
    return f"$(systemctl show -p MainPID --value {unit})"
