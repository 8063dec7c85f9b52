"""Parameters of PostgreSQL: what a file states, and what the server runs with."""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class InEffect:
    """A parameter as the server runs with it."""

    name: str
    by_restart: bool
    """Whether it takes another value by a restart only."""
    setting: str
    unit: str = ""

    def takes(self, stated: str | None) -> bool:
        """Whether a file that states this, or does not name it, needs no restart."""
        if not self.by_restart:
            return True
        return stated is not None and in_force(stated.strip("'"), self.setting, self.unit)


def in_effect(text: str) -> InEffect:
    """From a line ``name|context|setting`` with ``|unit`` where it has one."""
    name, context, setting, *unit = text.split("|")
    return InEffect(name, context == "postmaster", setting, *unit)


MULTIPLES = {"kB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30, "TB": 1 << 40, "B": 1}
TIMES = {"us": 1, "ms": 1_000, "s": 1_000_000, "min": 60_000_000, "h": 3_600_000_000}
WORDS = {"on": "on", "true": "on", "yes": "on", "off": "off", "false": "off", "no": "off"}


def in_force(stated: str, setting: str, unit: str = "") -> bool:
    """Whether a parameter's ``setting``, in units of ``unit``, is what a file states."""
    return _plain(stated, unit) == _plain(setting, unit)


def _plain(text: str, unit: str) -> float | str:
    """A value in the smallest unit, so that 1GB, 1024MB and 131072 (of 8kB) are one."""
    number = re.fullmatch(r"\s*(-?[\d.]+)\s*([a-zA-Z]*)\s*", text)
    if not number:
        return WORDS.get(text.lower(), text)
    factor, name = re.fullmatch(r"(\d*)(.*)", number[2] or unit).groups()  # type: ignore[union-attr]
    return float(number[1]) * int(factor or 1) * (MULTIPLES | TIMES).get(name, 1)
