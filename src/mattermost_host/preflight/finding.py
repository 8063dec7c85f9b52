"""What a component needs of a host, and what was found."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from pyinfra.api import Host

from mattermost_host.facts.host import HostFacts

Verdict = Literal["ok", "note", "warning", "error", "skipped"]
"""A note is only information."""


@dataclass(frozen=True)
class Finding:
    """The result of one requirement on one host."""

    name: str
    """Name of the check, for ``skip={"name": "reason"}`` in the inventory."""
    verdict: Verdict
    found: str
    needed: str = ""
    remedy: str = ""
    """What to do, a full sentence; empty if all is well."""


@dataclass(frozen=True)
class Requirement:
    """A named check of the host's facts."""

    name: str
    check: Callable[[HostFacts], Iterable[Finding]]
    meaning: str = ""
    """What it asks for, a sentence for the documentation."""

    @property
    def checks(self) -> Mapping[str, str]:
        """Its name and meaning."""
        return {self.name: self.meaning}

    def where(self, holds: Callable[[HostFacts], bool]) -> "Requirement":
        """The same on hosts of which ``holds`` is true, and nothing on others."""
        return replace(self, check=lambda facts: self.check(facts) if holds(facts) else ())


@dataclass(frozen=True)
class SiteRequirement:
    """A named check that looks at all hosts which need it, at the same time."""

    name: str
    check: Callable[[Mapping[str, HostFacts]], Iterable[tuple[str, Finding]]]
    """Gets the facts by the hosts' names; each finding comes with the host that it is about."""
    meaning: str = ""
    """What it asks for, a sentence for the documentation."""

    @property
    def checks(self) -> Mapping[str, str]:
        """Its name and meaning."""
        return {self.name: self.meaning}


@dataclass(frozen=True)
class Inquiry:
    """Checks that the facts can't answer and that ask from the host themselves."""

    checks: Mapping[str, str]
    """Names of all its findings, each with what it asks for, a sentence for the documentation.
    Where the first is skipped, nothing is asked."""
    ask: Callable[[Host, HostFacts], Iterable[Finding]]


Need = Requirement | SiteRequirement | Inquiry
"""Whatever a component may need."""
