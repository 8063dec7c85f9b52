"""The trial itself: preflight, deploy, second run, verification, tamperings, drift."""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mattermost_host.engine.connections import all_hosts, connections, run_as_root
from mattermost_host.facts.host import HostFacts
from mattermost_host.facts.reading import facts_of
from mattermost_host.site.site import Site
from mattermost_host.support.errors import OperatorError
from tests.try_on.steps import Ran, Step, Steps
from tests.try_on.tamperings import Tampering, chosen, drift

OURS = "mattermost-host"


@dataclass(frozen=True)
class Trial:
    """A site on one host, and the steps it is taken through."""

    inventory: Path
    steps: Steps

    def check(self) -> bool:
        """The preflight, which changes nothing; whether the host will do."""
        arguments = ("preflight", str(self.inventory))
        return self.steps.run("preflight", OURS, *arguments).status == 0

    def deploy(self) -> bool:
        """Deploy; whether it went well."""
        return self._deploy("deploy").status == 0

    def prove(self) -> None:
        """Everything that a deployed site is proved by."""
        self._deploy("deploy again", nothing=True)
        name = str(self.inventory)
        self.steps.run("verification with journey", OURS, "verify", name, "--journey")
        with self._site() as (site, facts):
            wanted, afterwards = chosen(site, facts), drift(site, facts)
        for one in wanted:
            self._tampered(one)
        self._drifted(afterwards)
        self.steps.run("verification at the end", OURS, "verify", name)

    def _deploy(self, what: str, *, nothing: bool = False) -> Ran:
        def judge(ran: Ran) -> str:
            if ran.changed is None:
                return "It did not say what it changed."
            if nothing and ran.changed:
                return f"It changed something: {', '.join(ran.changed)}."
            return ""

        arguments = ("-y", "--json", str(self.inventory), "deploys/site.py")
        return self.steps.run(what, "pyinfra", *arguments, judge=judge)

    def _tampered(self, one: Tampering) -> None:
        """A plan names it, a run heals it, and then a plan has nothing to say."""
        if not self._by_hand(one):
            return
        file = self.steps.folder / "plan.json"

        def judge(_: Ran) -> str:
            found = _found(file)
            missing = [name for name in one.names if name not in found]
            return f"It does not name {', '.join(missing)}, but says: {found}." if missing else ""

        name = str(self.inventory)
        plan = (OURS, "plan", name)
        file.unlink(missing_ok=True)
        written = ("--json", str(file))
        self.steps.run(f"{one.what}: plan", *plan, *written, expected=2, judge=judge)
        self.steps.run(f"{one.what}: heal", OURS, "apply", "--yes", name)
        self.steps.run(f"{one.what}: plan again", *plan)

    def _drifted(self, one: Tampering) -> None:
        look = (OURS, "drift", str(self.inventory))
        self.steps.run("drift: none", *look)
        if self._by_hand(one):
            self.steps.run("drift: found", *look, expected=2)
            self.steps.run("drift: repaired", *look, "--heal", "safe")

    def _by_hand(self, one: Tampering) -> bool:
        start = time.monotonic()
        try:
            answer = self.on_host(one.shell)
        except OperatorError as error:
            answer = (1, str(error))
        return self.steps.note(one.what, one.shell, answer, time.monotonic() - start)

    def on_host(self, script: str) -> tuple[int, str]:
        """What root's shell on the host says: exit status and output."""
        (host,) = Site.load(self.inventory).hosts
        answer = run_as_root(host, script)
        return answer.status, f"{answer.output.decode(errors='replace')}\n{answer.errors}".strip()

    @contextmanager
    def _site(self) -> Iterator[tuple[Site, HostFacts]]:
        site = Site.load(self.inventory)
        with connections(site.hosts) as state:
            reading = facts_of(all_hosts(state), site.name)
        if reading.silent:
            raise OperatorError(next(iter(reading.silent.values())).found)
        yield site, next(iter(reading.facts.values()))


def _found(plan: Path) -> str:
    """Subject and what was found, of each change of a plan in JSON."""
    try:
        hosts = json.loads(plan.read_text(encoding="utf-8"))["hosts"]
    except (OSError, ValueError, LookupError):
        return "nothing"
    changes = [one for steps in hosts.values() for step in steps for one in step["changes"]]
    return "; ".join(f"{one['subject']} {one['found']}" for one in changes)


def environment(folder: Path) -> dict[str, str]:
    """Of the commands: drift's history goes into the trial's own folder."""
    return {**os.environ, "PYINFRA_PROGRESS": "off", "XDG_STATE_HOME": str(folder / "state")}


def line(step: Step) -> str:
    """A step for the terminal."""
    held = "FAILED" if step.problem else "ok"
    return f"{held:6} {step.seconds:6.1f} s  {step.what}"
