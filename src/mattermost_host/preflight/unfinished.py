"""No upgrade and no restore that was begun on a host is left unfinished."""

from collections.abc import Iterator

from mattermost_host.facts.host import HostFacts
from mattermost_host.ops import unfinished
from mattermost_host.preflight.finding import Finding, Requirement, Verdict

NAME = "nothing-unfinished"


def nothing_unfinished() -> Requirement:
    """Nothing of these was cut off. A move of the database is judged by ``postgresql-move``."""

    def check(facts: HostFacts) -> Iterator[Finding]:
        found = [one for one in unfinished.on(facts) if one.kind != unfinished.DATABASE]
        for one in found:
            # A run on half of what was restored would begin something new there.
            verdict: Verdict = "error" if one.kind == unfinished.RESTORE else "warning"
            yield Finding(NAME, verdict, str(one), "what was begun to be ended", one.kind.remedy)
        if not found:
            yield Finding(NAME, "ok", "no upgrade and no restore is unfinished")

    return Requirement(
        NAME, check, "No upgrade of the server or the system, and no restore, was cut off."
    )
