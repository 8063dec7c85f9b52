"""Where the bench happens: the lab, its folder, and the one host that several parts share."""

from collections.abc import Callable
from functools import cached_property
from pathlib import Path

from tests.bench import items, sites
from tests.bench.items import Item
from tests.bench.measure import Ran, say
from tests.bench.sites import BenchSite
from tests.lab import commands, places, release
from tests.lab.hosts import Lab, LabHost


class Place:
    """The lab and what is made in it once, when the first part needs it."""

    def __init__(self, lab: Lab, *, times: int, slow_times: int) -> None:
        """``times`` runs of each quick work, ``slow_times`` of those that take a minute."""
        self.lab = lab
        self.times = times
        self.slow_times = slow_times
        self.folder = lab.key.parent / "bench"
        """Inventories with their secrets, playbook and deploy; gone with the lab."""
        self.site = BenchSite(lab, self.folder / "site", release.standin())

    @cached_property
    def deployed(self) -> LabHost:
        """A host on which our deploy has been run, and once more without a change."""
        say("deploying a host")
        host = self.lab.up("one")
        self.lab.resolve(sites.NAME, host)
        commands.count(host)
        sites.deploy(self.site.inventory([host]))
        sites.unchanged(self.site.inventory([host]))
        return host

    @property
    def inventory(self) -> Path:
        """The inventory of the deployed host."""
        return self.site.inventory([self.deployed])

    @cached_property
    def items(self) -> list[Item]:
        """The items of the deployed host's state."""
        host = self.deployed
        return items.of_site(self.site.described(), host)

    def scp(self, host: LabHost, source: Path, destination: str) -> list[str]:
        """The argv that copies a file to a host."""
        known = f"UserKnownHostsFile={self.lab.known_hosts}"
        login = ["-F", "none", "-q", "-i", str(self.lab.key), "-o", known]
        return ["scp", *login, str(source), f"root@{host.address}:{destination}"]

    def scratch(self, name: str) -> Path:
        """A place for large files outside the checkout."""
        folder = places.cache() / "bench"
        folder.mkdir(parents=True, exist_ok=True)
        return folder / name


def counted(host: LabHost, work: Callable[[], Ran], counts: list[int]) -> Callable[[], Ran]:
    """``work``, which also appends the number of commands that it sent to ``host``."""

    def run() -> Ran:
        before = commands.sent(host)
        done = work()
        # The counting is a command itself.
        counts.append(commands.sent(host) - before - 1)
        return done

    return run
