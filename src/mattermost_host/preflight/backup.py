"""What backups need of a host."""

from collections.abc import Iterator

from mattermost_host.facts.host import HostFacts
from mattermost_host.preflight.finding import Finding, Requirement

NEEDED = "pgBackRest and restic among the packages of the distribution"


def packages() -> Requirement:
    """A distribution that has the programs."""

    def check(facts: HostFacts) -> Iterator[Finding]:
        if facts.family.backup:
            yield Finding("backup-packages", "ok", "the distribution has pgBackRest and restic")
            return
        remedy = f"Leave out backup.to: backups are not yet supported on {facts.family.name}."
        yield Finding("backup-packages", "error", "no such packages", NEEDED, remedy)

    return Requirement("backup-packages", check, "Packages of pgBackRest and restic, for backups.")
