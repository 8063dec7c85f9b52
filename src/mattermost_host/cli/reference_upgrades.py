"""The part of docs/checks.md about what the commands for upgrades check besides."""

from collections.abc import Iterator

from mattermost_host.preflight import adoption, upgrade, upgrade_postgresql, upgrade_system

COMMANDS = {
    "adopt` and `take-over": adoption.MEANINGS,
    "upgrade": upgrade.MEANINGS,
    "upgrade-postgresql": upgrade_postgresql.MEANINGS,
    "upgrade-system": upgrade_system.MEANINGS,
}


def tables() -> Iterator[str]:
    """A table for each command."""
    yield from ("## Checks of an upgrade, and of a take-over", "", "None of them can be skipped.")
    for command, checks in COMMANDS.items():
        yield from ("", f"`mattermost-host {command}` makes these besides:", "")
        yield from ("| Name | What it asks for |", "|---|---|")
        yield from (f"| `{name}` | {meaning} |" for name, meaning in checks.items())
