"""Environment variables of a service, in systemd's EnvironmentFile."""

import re
from collections.abc import Iterator, Mapping

from mattermost_host.knowledge.setting_limits import unfit_for_a_variable
from mattermost_host.support.errors import Mistake


def quoted(value: str) -> str:
    r"""A quoted value for systemd's EnvironmentFile: \ escapes inside double quotes."""
    escaped = "".join(
        f"\\{character}" if character in '\\"`$' else character for character in value
    )
    return f'"{escaped}"'


def mistakes(variables: Mapping[str, str]) -> Iterator[Mistake]:
    """The mistakes in the additional variables that an inventory states for the server."""
    for name, value in variables.items():
        path = f'mattermost.environment."{name}"'
        if name.startswith("MM_"):
            needed = "write it under mattermost.settings, by its documented name"
            yield Mistake(path, "a setting of Mattermost", needed)
        elif not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            yield Mistake(path, "no name of a variable", "use letters, digits and underscores")
        elif unfit := unfit_for_a_variable(name, value):
            yield Mistake(path, "a value that is not shown", unfit)
