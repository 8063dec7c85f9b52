"""PostgreSQL's parameters: values in a file against those that the server uses."""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class InEffect:
    """A parameter of the running server."""

    name: str
    by_restart: bool
    """Whether a change needs a restart."""
    setting: str
    unit: str = ""

    def takes(self, stated: str | None) -> bool:
        """Whether the value in a file (None: not in it) takes effect without a restart."""
        if not self.by_restart:
            return True
        return stated is not None and in_force(stated.strip("'"), self.setting, self.unit)


def in_effect(text: str) -> InEffect:
    """Parse a line ``name|context|setting``, with ``|unit`` if the parameter has one."""
    name, context, setting, *unit = text.split("|")
    return InEffect(name, context == "postmaster", setting, *unit)


MULTIPLES = {"kB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30, "TB": 1 << 40, "B": 1}
TIMES = {"us": 1, "ms": 1_000, "s": 1_000_000, "min": 60_000_000, "h": 3_600_000_000}
WORDS = {"on": "on", "true": "on", "yes": "on", "off": "off", "false": "off", "no": "off"}


def in_force(stated: str, setting: str, unit: str = "") -> bool:
    """Whether a parameter's ``setting``, in units of ``unit``, equals the value in a file."""
    return _plain(stated, unit) == _plain(setting, unit)


def _plain(text: str, unit: str) -> float | str:
    """A value in the smallest unit, so that 1GB, 1024MB and 131072 (units of 8kB) are equal."""
    number = re.fullmatch(r"\s*(-?[\d.]+)\s*([a-zA-Z]*)\s*", text)
    if not number:
        return WORDS.get(text.lower(), text)
    factor, name = re.fullmatch(r"(\d*)(.*)", number[2] or unit).groups()  # type: ignore[union-attr]
    return float(number[1]) * int(factor or 1) * (MULTIPLES | TIMES).get(name, 1)
