"""The command line that pyinfra was started with, available while it reads config.py."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from pyinfra_cli.cli import _set_override_data

from mattermost_host.engine.inventory import CommandLine

READ_ONLY = ("deploys/preflight.py",)
"""Our deploys that change nothing."""
ASKING = ("fact", "debug-inventory")


def parameters() -> Mapping[str, Any] | None:
    """The parameters of pyinfra's command; None if another command is running."""
    context = click.get_current_context(silent=True)
    typed = context.params if context else {}
    return typed if "operations" in typed else None


def hosts_data(typed: Mapping[str, Any]) -> CommandLine:
    """What the command line states about hosts; it overrides the inventory."""
    names = ("ssh_user", "ssh_key", "ssh_key_password", "ssh_port", "ssh_password")
    override = _set_override_data(typed["data"], *(typed[name] for name in names))
    return CommandLine(override, tuple(typed["group_data"]))


def changes_nothing(typed: Mapping[str, Any]) -> bool:
    """Whether the run is known to change nothing; others need the lock."""
    if typed["dry"] or typed["debug_facts"] or typed["debug_operations"]:
        return True
    operations = typed["operations"]
    if operations[0] in ASKING:
        return True
    read_only = [Path(path).resolve() for path in READ_ONLY]
    return all(Path(one).resolve() in read_only for one in operations)
