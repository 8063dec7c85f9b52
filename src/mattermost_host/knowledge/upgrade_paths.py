"""Upgrades and downgrades between releases: what the vendor supports, tests and warns of.

Sources: the vendor's release policy (skipping extended releases, the way through 7.1), upgrade
notes and page on downgrades, as published in August 2026, and observations of real servers.
"""

from dataclasses import dataclass

from mattermost_host.knowledge.releases import LINES, line, numbers


@dataclass(frozen=True)
class BadUpgrade:
    """Upgrades from ``line`` that the vendor warns of."""

    line: str
    first: str
    """From this release of ``line`` or a newer one."""
    last_target: str
    """To this release or an older one."""
    reason: str


BAD_UPGRADES = (
    BadUpgrade(
        "10.11",
        "10.11.17",
        "11.7.2",
        "both use the same numbers for different database migrations (mattermost#36594); "
        "upgrade to 11.7.3 or newer",
    ),
)

WAYPOINTS = ("5.37", "7.1")
"""Lines that older releases have to be upgraded to first. Since 6.0 the schema is converted at a
start; 7.1 is the oldest release that the policy lets upgrade directly.
"""

PASSWORDS_CHANGED = (11, 0)
"""First line that hashes passwords by PBKDF2: an older server refuses users who have logged in
since. Observed with 11.2 and 10.11: ping and posting work, a log-in by password answers 401.
"""


RUNS_ON = {("10.11", "11.2")}
"""Pairs of lines: the first was observed to run on the second's database. 10.11 on that of 11.2:
posting, search, threads and sessions work; password hashes have to be restored.
"""


def runs_on_schema_of(older: str, newer: str) -> bool:
    """Whether ``older`` is known to run on the database that ``newer`` has migrated."""
    return (line(older), line(newer)) in RUNS_ON


SAVES_PLAN_SINCE, TAKES_PLAN_SINCE = (11, 0), (6, 0)
"""First lines with `db migrate --save-plan` and with `db downgrade`. Observed with 11.2 and 10.11:
the schema was equal to the one before, and the older server worked on it.
"""


def saves_plan(older: str, newer: str) -> bool:
    """Whether ``newer`` can save beforehand how ``older`` takes its migrations back."""
    return numbers(newer)[:2] >= SAVES_PLAN_SINCE and numbers(older)[:2] >= TAKES_PLAN_SINCE


def refusal(installed: str, target: str) -> str | None:
    """A sentence if ``installed`` can't be upgraded to ``target`` in one step."""
    for bad in BAD_UPGRADES:
        leaves = line(installed) == bad.line and numbers(installed) >= numbers(bad.first)
        arrives = numbers(installed) < numbers(target) <= numbers(bad.last_target)
        if leaves and arrives and line(target) != bad.line:
            return f"Mattermost {installed} cannot be upgraded to {target}: {bad.reason}."
    for waypoint in WAYPOINTS:
        if numbers(line(installed)) < numbers(waypoint) < numbers(line(target)):
            return (
                f"Mattermost {installed} cannot be upgraded to {target} in one step: deploy the "
                f"newest release of {waypoint} first, and {target} when it runs."
            )
    return None


def skipped(installed: str, target: str) -> list[str]:
    """The extended support releases in between; the vendor tests upgrades from one to the next."""
    between = [
        known.name
        for known in LINES
        if known.extended and numbers(line(installed)) < numbers(known.name) < numbers(line(target))
    ]
    return between[::-1]


def downgrade(installed: str, target: str) -> str:
    """What a downgrade from ``installed`` to the older ``target`` would do."""
    lost = numbers(target)[:2] < PASSWORDS_CHANGED <= numbers(installed)[:2]
    effect = (
        "users who logged in with a password since then can't log in any more"
        if lost
        else f"it may not understand what {installed} has changed"
    )
    return (
        f"Mattermost {target} would run on the database that {installed} has migrated: {effect}. "
        f"Set version {installed}, or restore the database from before the upgrade and skip this "
        "check."
    )
